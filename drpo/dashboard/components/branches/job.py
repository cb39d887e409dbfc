"""Continuations of one answer: drawn in the background, kept for good."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from drpo.dashboard.client.playground import (
    BRANCHES,
    Continuation,
    Playground,
    PlaygroundSource,
    Sampling,
    see_that_may_ask,
)
from drpo.dashboard.client.store import Store
from drpo.errors import DrpoError

log = logging.getLogger(__name__)
_GOING_ON: dict[str, Branches] = {}
"""Answers that are being continued, for all tabs."""
_STARTING = threading.Lock()


@dataclass(frozen=True)
class Branchable:
    """An answer that can be continued from any of its tokens."""

    id: str
    """Names it in the URL, among the answers of a screen."""
    name: str
    """What it is called on the screen."""
    source: PlaygroundSource
    """The policy that goes on."""
    source_name: str
    prompt: str
    answer: str
    length: int
    """Most tokens of an answer, as in training."""
    temperature: float

    @property
    def key(self) -> str:
        """Names what was drawn for it in the store; begins as all that belongs to its run does."""
        texts = f"{self.prompt}\0{self.answer}\0{self.length}\0{self.temperature}"
        digest = hashlib.sha256(texts.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return f"{self.source.run_id}@{self.source.step}-{digest}"


@dataclass
class Branches:
    """What was drawn for one answer; a thread may be drawing more, which touches no Streamlit."""

    key: str
    tokens: list[str] = field(default_factory=list)
    """The answer's tokens as texts; none before the engine was asked for the first time."""
    facts: Mapping[str, str] | None = None
    weights: str = ""
    drawn: dict[int, list[Continuation]] = field(default_factory=dict)
    """Continuations by position."""
    plan: list[int] = field(default_factory=list)
    """Positions that were asked for last."""
    count: int = 0
    done: int = 0
    """Positions of the plan that are drawn."""
    beats: int = 0
    """Tokens written at the present position, in each continuation."""
    error: str = ""
    live: bool = False
    stopped: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """End the writing after the present token; positions that are drawn are kept."""
        self._stop.set()


def find(store: Store, key: str) -> Branches:
    """Return what is being drawn for an answer, or was kept; empty where nothing was."""
    found = _GOING_ON.get(key)
    if found is not None:
        return found
    body = store.documents.get(BRANCHES, key)
    if body is None:
        return Branches(key)
    drawn = {
        int(position): [Continuation.from_line(one) for one in several]
        for position, several in body["drawn"].items()
    }
    return Branches(key, body["tokens"], body["facts"], body["weights"], drawn)


def start(store: Store, one: Branchable, positions: Sequence[int], count: int) -> Branches:
    """Draw continuations in a thread of its own.

    Args:
        store: Where they are kept at the end, however it ends.
        one: The answer.
        positions: Where to continue it; none to be told its tokens only.
        count: Continuations of each position.

    Returns:
        What is known of the answer, which grows until it is no longer `live`; where somebody is at
        it already, that goes on and nothing new begins.

    Raises:
        AccessError: The visitor may not ask.
    """
    see_that_may_ask([f"{one.source.run_id}@{one.source.step}"])
    with _STARTING:
        branches = find(store, one.key)
        if branches.live:
            return branches
        branches.plan, branches.count = list(positions), count
        branches.live = True
        _GOING_ON[one.key] = branches
    threading.Thread(
        target=_run, args=(store, one, branches), name="drpo-branches", daemon=True
    ).start()
    return branches


def _run(store: Store, one: Branchable, branches: Branches) -> None:
    with _errors_kept(branches):
        _follow(one, branches)
    with _errors_kept(branches):
        _keep(store, branches)
    branches.live = False
    del _GOING_ON[branches.key]


@contextmanager
def _errors_kept(branches: Branches) -> Iterator[None]:
    """Turn what goes wrong into the sentence that the screen shows."""
    try:
        yield
    except DrpoError as error:
        branches.error = str(error)
    except Exception as error:
        log.exception("continuations could not be drawn or kept")
        branches.error = f"{type(error).__name__}: {error}"


def _follow(one: Branchable, branches: Branches) -> None:
    sampling = Sampling(temperature=one.temperature, max_tokens=one.length)
    lines = Playground().branch(
        one.source,
        one.prompt,
        one.answer,
        sampling,
        positions=branches.plan,
        count=branches.count,
    )
    for line in lines:
        if line["kind"] != "done":
            take(branches, line)
        if branches._stop.is_set():
            branches.stopped = True
            lines.close()  # type: ignore[attr-defined]  # it is a generator
            return


def take(branches: Branches, line: Mapping[str, Any]) -> None:
    """Add one line of the engine's answer."""
    kind = line["kind"]
    if kind == "weights":
        if branches.weights != line["weights"]:
            # A resumed run wrote its checkpoint anew: what another policy drew says nothing of it.
            branches.drawn = {}
        branches.weights = line["weights"]
    elif kind == "tokens":
        branches.tokens, branches.facts = line["tokens"], line["facts"]
    elif kind == "beat":
        branches.beats += 1
    elif kind == "continuations":
        several = [Continuation.from_line(one) for one in line["continuations"]]
        # Replaced whole: the screen's thread may be reading the old one.
        branches.drawn = {**branches.drawn, line["position"]: several}
        branches.done += 1
        branches.beats = 0
    else:
        branches.error = line["message"]


def _keep(store: Store, branches: Branches) -> None:
    if not branches.tokens:
        return
    store.documents.put(
        BRANCHES,
        branches.key,
        {
            "tokens": branches.tokens,
            "facts": branches.facts,
            "weights": branches.weights,
            "drawn": {
                str(position): [asdict(one) for one in several]
                for position, several in branches.drawn.items()
            },
        },
    )
