"""A generation: what checkpoints write to one prompt, in the background and kept for good."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from drpo.dashboard.client.playground import (
    Playground,
    PlaygroundSource,
    Sampling,
    see_that_may_ask,
)
from drpo.dashboard.client.store import Store
from drpo.errors import DrpoError

log = logging.getLogger(__name__)
KIND = "playground"
"""Under which kind of document generations are kept."""
_GOING_ON: dict[str, Generation] = {}
"""Generations that are being written, for all tabs: they are not in the store before their end."""


@dataclass
class GeneratedAnswer:
    """What one checkpoint has written so far."""

    run: str
    step: int
    weights: str = ""
    """Hash of the weights that write; "" before they are loaded."""
    given: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None
    """The line that ends an answer, see the protocol; None while it writes and where it stopped."""
    error: str = ""

    @property
    def source(self) -> str:
        """The checkpoint, as `run@step`."""
        return f"{self.run}@{self.step}"

    @property
    def text(self) -> str:
        """The answer as far as it goes, the given beginning included."""
        return "".join(token["text"] for token in [*self.given, *self.tokens])


@dataclass
class Generation:
    """A prompt and the answers to it; a thread may be writing them, which touches no Streamlit."""

    key: str
    """Names it in the store and in the URL."""
    prompt: str
    prefix: str
    """The beginning that all answers are given."""
    sampling: Sampling
    answers: list[GeneratedAnswer]
    at: float
    """When it was asked for, seconds since 1970."""
    error: str = ""
    live: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def begun(self) -> bool:
        """Whether any checkpoint has said anything; before that, models are being loaded."""
        return any(one.tokens or one.given or one.error for one in self.answers)

    @property
    def texts(self) -> tuple[str, str]:
        """The prompt and the given beginning."""
        return self.prompt, self.prefix

    @property
    def sources(self) -> list[str]:
        """The checkpoints that were asked."""
        return [one.source for one in self.answers]

    def stop(self) -> None:
        """End the writing after the present token; what is there is kept."""
        self._stop.set()


def start(
    store: Store, sources: Sequence[PlaygroundSource], prompt: str, prefix: str, sampling: Sampling
) -> Generation:
    """Ask checkpoints in a thread of its own.

    Args:
        store: Where the generation is kept when it ends, however it ends.
        sources: The checkpoints.
        prompt: What they answer.
        prefix: The beginning that they are given.
        sampling: How they draw.

    Returns:
        The generation, which grows until it is no longer `live`.

    Raises:
        AccessError: The visitor may not ask.
    """
    see_that_may_ask([f"{source.run_id}@{source.step}" for source in sources])
    now = time.time()
    generation = Generation(
        f"{now:.3f}-{secrets.token_hex(2)}",
        prompt,
        prefix,
        sampling,
        [GeneratedAnswer(source.run_id, source.step) for source in sources],
        now,
        live=True,
    )
    _GOING_ON[generation.key] = generation
    threading.Thread(
        target=_run, args=(store, generation, sources), name="drpo-playground", daemon=True
    ).start()
    return generation


def find(store: Store, key: str) -> Generation | None:
    """Return a generation that is being written or was kept.

    Returns:
        None where there is none of this key, or its tokens were not kept, as by earlier versions.
    """
    # First those going on: one that ends in between is in the store by then.
    found = _GOING_ON.get(key)
    body = None if found else store.documents.get(KIND, key)
    if body is None or "sampling" not in body:
        return found
    names = [one.name for one in fields(GeneratedAnswer)]
    answers = [
        GeneratedAnswer(**{name: answer[name] for name in names}) for answer in body["answers"]
    ]
    return Generation(
        key,
        body["prompt"],
        body["prefix"],
        Sampling(**body["sampling"]),
        answers,
        body["at"],
        body["error"],
    )


def _run(store: Store, generation: Generation, sources: Sequence[PlaygroundSource]) -> None:
    with _errors_kept(generation):
        _follow(generation, sources)
    with _errors_kept(generation):
        _keep(store, generation)
    generation.live = False
    del _GOING_ON[generation.key]


@contextmanager
def _errors_kept(generation: Generation) -> Iterator[None]:
    """Turn what goes wrong into the sentence that the screen shows."""
    try:
        yield
    except DrpoError as error:
        generation.error = str(error)
    except Exception as error:
        log.exception("the playground's answer could not be read or kept")
        generation.error = f"{type(error).__name__}: {error}"


def _follow(generation: Generation, sources: Sequence[PlaygroundSource]) -> None:
    lines = Playground().ask(
        sources, generation.prompt, generation.sampling, prefix=generation.prefix
    )
    for line in lines:
        if line["kind"] != "done":
            _take(generation.answers[line["at"]], line)
        if generation._stop.is_set():
            lines.close()  # type: ignore[attr-defined]  # it is a generator
            return


def _take(answer: GeneratedAnswer, line: dict[str, Any]) -> None:
    if line["kind"] == "weights":
        answer.weights = line["weights"]
    elif line["kind"] == "given":
        answer.given = line["tokens"]
    elif line["kind"] == "token":
        answer.tokens.append(line["token"])
    elif line["kind"] == "end":
        answer.end = line
    else:
        answer.error = line["message"]


def _keep(store: Store, generation: Generation) -> None:
    """Write the generation down, each answer with the weights that wrote it."""
    answers = [
        {
            **asdict(one),
            "text": one.text,
            "score": (one.end or {}).get("score"),
            "finished": bool((one.end or {}).get("finished")),
            "stopped": one.end is None,
        }
        for one in generation.answers
    ]
    store.documents.put(
        KIND,
        generation.key,
        {
            "prompt": generation.prompt,
            "prefix": generation.prefix,
            "at": generation.at,
            "sampling": asdict(generation.sampling),
            "error": generation.error,
            "answers": answers,
        },
    )
