"""What the monitor remembers of a run: short numbers, no texts, small enough for a checkpoint.

Metrics arrive under their own names. From the answers themselves a few series are made, which are
not logged, over answers that start at the bare prompt only: where an episode was reset, length and
wording are partly the data's.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drpo import metrics
from drpo.alarms.repetition import repetition
from drpo.types import Sample

ANSWERS_LENGTH = "answers/length"
ANSWERS_REPETITION = "answers/repetition"
ANSWERS_IDENTICAL = "answers/identical"
ANSWERS_PROMPTS = "answers/prompts"
HEAD = 3
"""A per-update figure's start is the median of its first values; one alone is too noisy."""
TAIL = 24
"""Later values kept; no rule looks further back, but evaluations are kept whole."""
MIN_ANSWERS = 6
"""Fewer prompt-start answers than this say nothing about the policy's habits."""


@dataclass
class Series:
    """The first and the latest values of one metric, as (step, value)."""

    head: list[tuple[int, float]] = field(default_factory=list)
    tail: list[tuple[int, float]] = field(default_factory=list)

    def add(self, step: int, value: float, *, keep: int | None) -> None:
        """Take a value; the oldest of the tail goes when there are more than `keep`."""
        if len(self.head) < HEAD:
            self.head.append((step, value))
        self.tail.append((step, value))
        if keep is not None:
            del self.tail[:-keep]


class History:
    """The series of one run, with the questions that rules ask of them."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self.reset_answers: set[str] = set()
        """Fingerprints of the offline answers that episodes were reset into."""
        self.reset_episodes = 0

    def take_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Remember the metrics of one step; values that are not finite are left out."""
        for name, value in values.items():
            if math.isfinite(value):
                keep = None if _is_evaluation(name) else TAIL
                self._series.setdefault(name, Series()).add(step, float(value), keep=keep)

    def take_samples(self, step: int, samples: Sequence[Sample], *, enough_resets: int) -> None:
        """Measure the answers of one step.

        Args:
            step: Updates done.
            samples: Training episodes and held-out answers.
            enough_resets: Distinct reset answers are counted only up to this number.
        """
        at_prompt = [sample for sample in samples if sample.start == "prompt"]
        if len(at_prompt) >= MIN_ANSWERS:
            self.take_metrics(step, measure(at_prompt))
        for sample in samples:
            if sample.start == "reset" and sample.kind == "episode":
                self.reset_episodes += 1
                if len(self.reset_answers) < enough_resets:
                    self.reset_answers.add(_fingerprint(sample))

    def has(self, name: str) -> bool:
        """Whether this metric was ever seen."""
        return name in self._series

    def last(self, name: str) -> float:
        """The newest value."""
        return self._series[name].tail[-1][1]

    def last_step(self, name: str) -> int:
        """The step of the newest value; -1 when there is none."""
        return self._series[name].tail[-1][0] if name in self._series else -1

    def recent(self, name: str, count: int) -> list[float]:
        """The newest `count` values, oldest first; empty while there are fewer."""
        values = [value for _, value in self._series[name].tail] if self.has(name) else []
        return values[-count:] if len(values) >= count else []

    def all(self, name: str) -> list[tuple[int, float]]:
        """All (step, value) kept of a metric."""
        return list(self._series[name].tail) if self.has(name) else []

    def start(self, name: str) -> float:
        """How a metric began: an evaluation's first value, else the median of the first few."""
        head = [value for _, value in self._series[name].head]
        return head[0] if _is_evaluation(name) else statistics.median(head)

    def settled(self, name: str) -> float | None:
        """The metric now: an evaluation's newest value, else the median of the last three."""
        if _is_evaluation(name):
            return self.last(name) if self.has(name) else None
        values = self.recent(name, HEAD)
        return statistics.median(values) if values else None

    def to_state(self) -> dict[str, Any]:
        """Everything remembered, as JSON."""
        return {
            "series": {n: {"head": s.head, "tail": s.tail} for n, s in self._series.items()},
            "reset_answers": sorted(self.reset_answers),
            "reset_episodes": self.reset_episodes,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> History:
        """Read what `to_state` wrote."""
        history = cls()
        for name, kept in state["series"].items():
            history._series[name] = Series(
                head=[(step, value) for step, value in kept["head"]],
                tail=[(step, value) for step, value in kept["tail"]],
            )
        history.reset_answers = set(state["reset_answers"])
        history.reset_episodes = state["reset_episodes"]
        return history


def measure(answers: Sequence[Sample]) -> dict[str, float]:
    """Length, repetition and sameness of answers that began at the bare prompt."""
    share, prompts = same_answer(answers)
    return {
        ANSWERS_LENGTH: statistics.fmean(answer.response_tokens for answer in answers),
        ANSWERS_REPETITION: statistics.fmean(repetition(answer.response) for answer in answers),
        ANSWERS_IDENTICAL: share,
        ANSWERS_PROMPTS: prompts,
    }


def same_answer(answers: Sequence[Sample]) -> tuple[float, int]:
    """Share of distinct prompts that got the most frequent answer, and how many prompts.

    Prompts are counted, not answers: several draws for one prompt may well agree.
    """
    pairs = {(answer.prompt, answer.response) for answer in answers}
    prompts = len({prompt for prompt, _ in pairs})
    most = max(Counter(response for _, response in pairs).values())
    return most / prompts, prompts


def _is_evaluation(name: str) -> bool:
    return metrics.of(name).stage == "evaluation"


def _fingerprint(sample: Sample) -> str:
    text = f"{sample.prompt}\0{sample.offline}".encode()
    return hashlib.blake2b(text, digest_size=8).hexdigest()
