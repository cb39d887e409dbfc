"""Where a `Run` reads what was measured: from memory, or from the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

from drpo.store import Store
from drpo.types import Sample


class Point(NamedTuple):
    """One value of one metric."""

    step: int
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: a stage's end, a checkpoint, a changed setting, an alarm."""

    step: int
    kind: str
    message: str
    payload: dict[str, Any]


class Records(Protocol):
    """Everything that was written down about one run."""

    @property
    def status(self) -> str:
        """Running, finished, stopped; in the store also queued, paused, failed, interrupted."""

    @property
    def error(self) -> str:
        """Why it failed, in a sentence; empty where it did not."""

    @property
    def step(self) -> int:
        """Policy updates done."""

    def points(self) -> Sequence[Point]:
        """Every metric, in order of writing."""
        ...

    def samples_of(self, kind: str, step: int | None) -> list[Sample]:
        """The samples of a kind, of one step or of all."""
        ...

    def events(self) -> Sequence[Event]:
        """What happened, in order."""
        ...


class StoreRecords:
    """A run that the store knows; read anew at every call, so that a live run is followed."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id

    @property
    def status(self) -> str:
        """How the run stands."""
        return self.store.runs.get(self.run_id).status

    @property
    def error(self) -> str:
        """Why it failed, in a sentence."""
        return self.store.runs.get(self.run_id).error

    @property
    def step(self) -> int:
        """Policy updates done."""
        return self.store.runs.get(self.run_id).step

    def points(self) -> list[Point]:
        """Every metric, in order of writing."""
        frame = self.store.metrics.since(self.run_id)
        return [
            Point(int(step), str(name), float(value))
            for step, name, value in zip(frame["step"], frame["name"], frame["value"], strict=True)
        ]

    def samples_of(self, kind: str, step: int | None) -> list[Sample]:
        """The samples of a kind, of one step or of all."""
        steps = self.store.samples.steps(self.run_id, kind) if step is None else [step]
        rows = [row for one in steps for row in self.store.samples.at(self.run_id, one, kind)]
        return [Sample(**{f.name: getattr(row, f.name) for f in fields(Sample)}) for row in rows]

    def events(self) -> list[Event]:
        """What happened, in order."""
        return [
            Event(event.step, event.kind, event.message, event.payload)
            for event in self.store.events.since(self.run_id)
        ]
