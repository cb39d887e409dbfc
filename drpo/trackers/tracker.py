"""What a tracker is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from drpo.types import Sample


@dataclass(frozen=True)
class About:
    """The run that is told of."""

    id: str
    name: str
    settings: Mapping[str, Any]
    """By leaf name, without secrets."""
    folder: Path
    """The run's own; what a tracker keeps for one run lies below it."""
    shared: Path
    """What a tracker keeps for all runs lies below it."""
    step: int
    """Updates done when it goes on; what a tracker was told of later ones is told again."""


class Tracker(Protocol):
    """One tracker's side of one run. Any of these may raise; the relay goes on."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Take the metrics of one update or evaluation."""

    def samples(self, step: int, kind: str, samples: Sequence[Sample]) -> None:
        """Take the answers of one step and kind."""

    def event(self, step: int, kind: str, message: str) -> None:
        """Take something that happened."""

    def close(self) -> None:
        """Write what is left."""


def row(sample: Sample) -> dict[str, Any]:
    """An answer as a line of a table."""
    return {
        "item": sample.item,
        "start": sample.start,
        "prompt": sample.prompt,
        "prefix": sample.prefix,
        "response": sample.response,
        "score": sample.score,
        "gold": sample.gold,
        "kl": sample.kl,
    }
