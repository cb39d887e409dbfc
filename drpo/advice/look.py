"""What is seen of a task before any training: how continuations from each depth come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

TENTHS = 10
GROUP = 4
"""Continuations of one start: whether they differ is what a group learns from."""


@dataclass
class Depth:
    """What came of starts that were given so much of an answer."""

    share: float
    """0 is the bare prompt."""
    scores: list[list[float]] = field(default_factory=list)
    """One list a start: the scores of the continuations from it."""

    def success(self, level: float) -> tuple[int, int]:
        """How many continuations reached a score, and of how many."""
        every = [score for group in self.scores for score in group]
        return sum(score >= level for score in every), len(every)

    @property
    def mixed(self) -> tuple[int, int]:
        """How many groups scored not all alike, and of how many."""
        return sum(max(group) > min(group) for group in self.scores), len(self.scores)

    @property
    def mean(self) -> float:
        """The mean score."""
        return fmean(score for group in self.scores for score in group)


@dataclass(frozen=True)
class Look:
    """All that was drawn and measured."""

    depths: tuple[Depth, ...]
    """From the bare prompt to nine tenths of the answer."""
    level: float
    """Score from which on an answer counts as a success."""
    coverage: float
    """Mean log-likelihood per token of the data's answers under the start policy, nats."""
    prompts: int
    seconds: float
    episodes: int


def as_document(found: Look) -> dict[str, Any]:
    """A look as JSON, every score in it."""
    return asdict(found)


def from_document(body: Mapping[str, Any]) -> Look:
    """A look from what `as_document` wrote."""
    depths = tuple(Depth(one["share"], one["scores"]) for one in body["depths"])
    return Look(**{**body, "depths": depths})
