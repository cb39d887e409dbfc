"""A generation that goes on in the background while a fragment shows what there is of it."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from drpo.errors import DrpoError
from drpo.playground import Playground, Sampling, Source
from drpo.store import Store

log = logging.getLogger(__name__)
KIND = "playground"
"""Under which kind of document generations are kept."""


@dataclass
class Written:
    """What one checkpoint has written so far."""

    source: Source
    given: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None
    """`finished`, `weights`, `score`, `token_scores`, `pooling`; None while it writes."""
    error: str = ""

    @property
    def text(self) -> str:
        """The answer as far as it goes, the given beginning included."""
        return "".join(token["text"] for token in [*self.given, *self.tokens])


class Stream:
    """Asks the playground in a thread of its own, which touches nothing of Streamlit.

    Args:
        store: Where the generation is kept when it is done.
        sources: The checkpoints.
        prompt: What they answer.
        prefix: The beginning that they are given.
        sampling: How they draw.
    """

    def __init__(
        self, store: Store, sources: Sequence[Source], prompt: str, prefix: str, sampling: Sampling
    ) -> None:
        self.prompt, self.prefix, self.sampling = prompt, prefix, sampling
        self.answers = [Written(source) for source in sources]
        self.error = ""
        self.live = True
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drpo-playground", daemon=True)
        self._thread.start()

    @property
    def begun(self) -> bool:
        """Whether any checkpoint has said anything; before that, models are being loaded."""
        return any(one.tokens or one.given or one.error for one in self.answers)

    def stop(self) -> None:
        """End the writing after the present token."""
        self._stop.set()

    def _run(self) -> None:
        try:
            self._follow()
        except DrpoError as error:
            self.error = str(error)
        except Exception as error:
            log.exception("the playground's answer could not be read")
            self.error = f"{type(error).__name__}: {error}"
        finally:
            self.live = False

    def _follow(self) -> None:
        sources = [one.source for one in self.answers]
        lines = Playground().ask(sources, self.prompt, self.sampling, prefix=self.prefix)
        for line in lines:
            if self._stop.is_set():
                lines.close()  # type: ignore[attr-defined]  # it is a generator
                return
            if line["kind"] != "done":
                self._take(self.answers[line["at"]], line)
        self._keep()

    def _take(self, answer: Written, line: dict[str, Any]) -> None:
        if line["kind"] == "given":
            answer.given = line["tokens"]
        elif line["kind"] == "token":
            answer.tokens.append(line["token"])
        elif line["kind"] == "end":
            answer.end = line
        else:
            answer.error = line["message"]

    def _keep(self) -> None:
        """Write the generation down, each answer with the weights that wrote it."""
        answers = [
            {
                "run": one.source.run_id, "step": one.source.step, "text": one.text,
                "weights": one.end["weights"], "score": one.end["score"],
                "finished": one.end["finished"],
            }
            for one in self.answers if one.end is not None
        ]  # fmt: skip
        if answers:
            self._store.documents.put(
                KIND, f"{time.time():.3f}-{secrets.token_hex(2)}",
                {"prompt": self.prompt, "prefix": self.prefix, "at": time.time(),
                 "temperature": self.sampling.temperature, "top_p": self.sampling.top_p,
                 "seed": self.sampling.seed, "answers": answers},
            )  # fmt: skip
