"""What else could have followed a token, and where an answer's outcome was decided. No torch.

The value of a position is the mean outcome of continuations drawn by the policy from there, with
what stands before it given. Position `i` lies before token `i`, counted from 0; the last one lies
after the last token. An answer's outcome is its gold score where all continuations have one, else
the reward model's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from drpo.stats.intervals import Interval, mean_over_seeds, wilson

FEWEST_CONTINUATIONS, MOST_CONTINUATIONS = 4, 16
MOST_POSITIONS = 24
"""Positions of one request; each costs its continuations."""
Judge = Literal["gold", "score"]


@dataclass(frozen=True, slots=True)
class Continuation:
    """One answer's end as the policy wrote it from a position."""

    text: str
    """What follows the position; "" where the policy ended at once."""
    finished: bool
    """Whether it ended by itself, not by its length."""
    score: float | None
    """The reward model's score of the whole answer; None without a reward model."""
    gold: float | None
    """The true score of the whole answer; None where there is none to be had."""

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> Continuation:
        """Take it out of a line of `drpo.playground.protocol`, or of what was kept of one."""
        return cls(line["text"], line["finished"], line["score"], line["gold"])


Drawn = Mapping[int, Sequence[Continuation]]
"""The continuations drawn at each position."""


@dataclass(frozen=True, slots=True)
class PositionValue:
    """What an answer was worth at a position."""

    position: int
    outcome: Interval


@dataclass(frozen=True, slots=True)
class Decision:
    """Where the value changed most: by the tokens from `start` up to, not including, `end`."""

    start: int
    end: int
    change: float
    """In the judge's unit; negative where the value dropped."""


def spread(tokens: int, most: int = MOST_POSITIONS) -> list[int]:
    """Choose positions evenly over an answer, its beginning and its end among them.

    Args:
        tokens: Length of the answer in tokens; it has `tokens + 1` positions.
        most: How many positions at most, at least 2.
    """
    return _even(0, tokens, most)


def inside(start: int, end: int, most: int = MOST_POSITIONS) -> list[int]:
    """Choose positions evenly within a span that was measured at both ends only."""
    return _even(start + 1, end - 1, most) if end - start > 1 else []


def judge(drawn: Drawn) -> Judge | None:
    """What judges all of these continuations: the true score, else the reward model, else none."""
    every = [one for found in drawn.values() for one in found]
    if every and all(one.gold is not None for one in every):
        return "gold"
    return "score" if every and all(one.score is not None for one in every) else None


def values(drawn: Drawn) -> list[PositionValue]:
    """The mean outcome at each position with its 95 % interval, in the order of the answer.

    Outcomes of 0 and 1 have Wilson's interval, others Student's. Where all continuations of a
    position came out alike, the sample shows no spread, and Student's interval would be a point,
    as if a policy that does the same four times always did. So the interval then goes as far as
    the outcomes seen at any position allow: by Wilson, an outcome not met in `k` draws may still
    have a share of up to `1 - low`, and would lie at the lowest or highest one that was seen.

    Returns:
        Nothing where nothing judges all of the continuations.
    """
    by = judge(drawn)
    if by is None:
        return []
    outcomes = {
        position: [float(getattr(one, by)) for one in drawn[position]]
        for position in sorted(drawn)
        if drawn[position]
    }
    every = [outcome for found in outcomes.values() for outcome in found]
    return [
        PositionValue(position, _interval(found, every)) for position, found in outcomes.items()
    ]


def decision(measured: Sequence[PositionValue]) -> Decision | None:
    """Find the largest change between neighbouring positions whose intervals do not overlap.

    Two 95 % intervals that do not overlap are a stricter demand than a difference at 95 %; it
    makes up for the many neighbours that are looked at.

    Args:
        measured: In the order of the answer.

    Returns:
        None where no such change was measured: the outcome was not decided at one place.
    """
    changes = [
        Decision(before.position, after.position, after.outcome.value - before.outcome.value)
        for before, after in pairwise(measured)
        if before.outcome.value is not None
        and after.outcome.value is not None
        and _apart(before.outcome, after.outcome)
    ]
    return max(changes, key=lambda one: abs(one.change), default=None)


def finer(measured: Sequence[PositionValue], most: int = MOST_POSITIONS) -> list[int]:
    """Choose the positions to measure next: within the span that decided, else the widest one.

    Returns:
        Nothing where every token lies between two measured positions of its own.
    """
    found = decision(measured)
    if found is not None and found.end - found.start > 1:
        return inside(found.start, found.end, most)
    spans = [(one.position, other.position) for one, other in pairwise(measured)]
    start, end = max(spans, key=lambda span: span[1] - span[0], default=(0, 0))
    return inside(start, end, most)


def _even(first: int, last: int, most: int) -> list[int]:
    count = min(most, last - first + 1)
    if count < 2:
        return [first][:count]
    return [first + round(i * (last - first) / (count - 1)) for i in range(count)]


def _interval(outcomes: Sequence[float], every: Sequence[float]) -> Interval:
    count = len(outcomes)
    if set(every) <= {0.0, 1.0}:
        return wilson(sum(outcomes), count)
    if len(set(outcomes)) > 1:
        return mean_over_seeds(outcomes)
    value, certain = outcomes[0], wilson(count, count).low or 0.0
    low, high = (certain * value + (1 - certain) * edge for edge in (min(every), max(every)))
    return Interval(value, low, high, count, count, "wilson")


def _apart(one: Interval, other: Interval) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.high < other.low or other.high < one.low
