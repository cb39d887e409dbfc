"""One call to an OpenAI-compatible chat endpoint, patient but bounded."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from drpo.errors import JudgeError

OK = 200
RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)
REFUSALS = (400, 401, 403, 404, 405, 422)
LONGEST_BODY = 1 << 20
"""No verdict needs more than a mebibyte; a larger body is not read."""


class UnusableReplyError(Exception):
    """A reply came that is no chat completion; worth another try, unlike a refusal."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model wrote and what it was billed for."""

    text: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait and how often to try."""

    timeout: float = 120.0
    """Seconds for one attempt; a model that thinks first takes its time."""
    attempts: int = 5
    backoff: float = 1.0
    """Seconds before the second attempt; doubled for each further one, up to `longest_wait`."""
    longest_wait: float = 60.0
    """A server's Retry-After is obeyed up to this many seconds."""


class ChatEndpoint:
    """Asks one model at one base URL.

    The key is read from the environment: `DRPO_JUDGE_API_KEY`, or, for api.openai.com alone,
    `OPENAI_API_KEY`, which must not be handed to any other server. It is sent in the header and
    kept nowhere else.

    Args:
        base_url: As for OpenAI's clients, e.g. `http://localhost:8000/v1`; a URL without a path
            gets `/v1`.
        model: The model's name there.
        patience: Time-outs and retries.

    Raises:
        JudgeError: The base URL is none.
    """

    def __init__(self, base_url: str, model: str, patience: Patience | None = None) -> None:
        parts = urlsplit(base_url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise JudgeError(
                f"The judge's base URL is {base_url!r}; expected something like "
                "http://localhost:8000/v1. Correct the setting `judge`."
            )
        path = parts.path.rstrip("/") or "/v1"
        self.base_url = f"{parts.scheme}://{parts.netloc}{path}"
        self.model = model
        self.patience = patience or Patience()
        self._headers = {"Content-Type": "application/json", **_authorization(parts.hostname)}
        self._pool = urllib3.PoolManager(maxsize=16)

    def ask(self, system: str, user: str, *, max_tokens: int) -> Reply:
        """Return the model's reply to one question, as repeatable as the server allows.

        Raises:
            JudgeError: The server refuses the request, so that no further one can succeed.
            UnusableReplyError: All attempts timed out, failed or brought nothing readable.
        """
        body = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": user},
            ],
            "temperature": 0,
            "max_tokens": max_tokens,
        }
        status, data = self._post(json.dumps(body).encode())
        if status in REFUSALS:
            raise JudgeError(self._refusal(status, data))
        if status != OK:
            raise UnusableReplyError(f"status {status}")
        return _reply(data)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        patience = self.patience
        retries = Retry(
            total=patience.attempts - 1,
            redirect=0,
            allowed_methods=None,
            status_forcelist=RETRIED,
            backoff_factor=patience.backoff,
            backoff_max=patience.longest_wait,
            backoff_jitter=patience.backoff / 2,
            retry_after_max=int(patience.longest_wait),
            raise_on_status=False,
            raise_on_redirect=False,
        )
        try:
            response = self._pool.request(
                "POST",
                f"{self.base_url}/chat/completions",
                body=body,
                headers=self._headers,
                timeout=Timeout(total=patience.timeout),
                retries=retries,
                preload_content=False,
            )
            try:
                return response.status, response.read(LONGEST_BODY, decode_content=True)
            finally:
                response.release_conn()
        except HTTPError as error:
            raise UnusableReplyError(_reason(error)) from error

    def _refusal(self, status: int, data: bytes) -> str:
        said = data[:200].decode(errors="replace")
        if status in (401, 403):
            remedy = "Set DRPO_JUDGE_API_KEY to a key that is valid there."
        elif status in (404, 405):
            remedy = f"Check the base URL, and that it serves a model named {self.model!r}."
        else:
            remedy = (
                "Check the model name, that it takes chat messages, and that it has room for the "
                "question and an answer of the length asked for."
            )
        return f"The judge at {self.base_url} refused with status {status}: {said!r}. {remedy}"


def _authorization(host: str) -> dict[str, str]:
    key = os.environ.get("DRPO_JUDGE_API_KEY")
    if not key and host == "api.openai.com":
        key = os.environ.get("OPENAI_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _reply(data: bytes) -> Reply:
    try:
        record = json.loads(data)
        text = record["choices"][0]["message"]["content"]
        usage = record.get("usage") or {}
        spent = [int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise UnusableReplyError(f"no chat completion: {data[:80]!r}") from error
    if not isinstance(text, str):
        raise UnusableReplyError("a chat completion without text")
    return Reply(text, *spent)


def _reason(error: HTTPError) -> str:
    cause = getattr(error, "reason", None) or error
    return f"{type(cause).__name__}: {cause}"[:200]
