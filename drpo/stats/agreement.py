"""Can the reviewers be trusted: agreement, self-consistency, and a habit for one side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drpo.stats.intervals import Interval, wilson

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Krippendorff's alpha for nominal choices."""

    alpha: Interval
    """1 is perfect agreement, 0 what chance alone would give, below 0 systematic disagreement."""
    items: int
    """Items judged at least twice; the others say nothing about agreement."""
    status: Literal["known", "no_overlap", "no_variation"]
    """no_overlap: no item was judged twice. no_variation: all made one and the same choice, so
    that agreement cannot be told from everybody always pressing the same key; alpha is None."""


def krippendorff(
    choices: Iterable[tuple[Hashable, Hashable]], *, draws: int = 1000, seed: int = 0
) -> Agreement:
    """Agreement of any number of reviewers who each judged any part of the items.

    Args:
        choices: (item, choice), one per reviewer and item.
        draws: Bootstrap repetitions over items.
        seed: Seed of the repetitions.

    Returns:
        Alpha with a 95 % interval from resampled items; see `Agreement.status` for when there is
        none.

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section C. With o_cc
    the coincidences of equal choices and n_c the marginals of n pairable choices,
    alpha = 1 - (n - 1) (n - sum o_cc) / (n^2 - sum n_c^2).
    """
    counts = _counts(choices)
    if len(counts) == 0:
        return Agreement(Interval(None, None, None, 0, 0, "none"), 0, "no_overlap")
    items, pairable = len(counts), int(counts.sum())
    value = _alpha(counts[None])[0]
    if np.isnan(value):
        unknown = Interval(None, None, None, pairable, items, "none")
        return Agreement(unknown, items, "no_variation")
    rng = np.random.default_rng(seed)
    resampled = _alpha(counts[rng.integers(0, items, size=(draws, items))])
    low = high = None
    method: Literal["bootstrap", "none"] = "none"
    # A resample without variation has no alpha; too many of them and the spread is unknown.
    known = resampled[~np.isnan(resampled)]
    if items > 1 and known.size > draws / 2:
        low, high = (float(bound) for bound in np.quantile(known, [0.025, 0.975]))
        method = "bootstrap"
    return Agreement(Interval(float(value), low, high, pairable, items, method), items, "known")


def _counts(choices: Iterable[tuple[Hashable, Hashable]]) -> Counts:
    """How often each choice (columns) was made on each item (rows), items judged twice or more."""
    by_item: dict[Hashable, Counter[Hashable]] = {}
    for item, choice in choices:
        by_item.setdefault(item, Counter())[choice] += 1
    pairable = [counter for counter in by_item.values() if counter.total() > 1]
    categories = sorted({choice for counter in pairable for choice in counter}, key=str)
    return np.array(
        [[counter[category] for category in categories] for counter in pairable], dtype=float
    )


def _alpha(counts: Counts) -> Counts:
    """Alpha of each table in a stack of shape (tables, items, choices); NaN without variation."""
    judged = counts.sum(axis=2)
    equal = ((counts * (counts - 1)).sum(axis=2) / (judged - 1)).sum(axis=1)
    total = judged.sum(axis=1)
    expected = np.square(total) - np.square(counts.sum(axis=1)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        alpha = 1 - (total - 1) * (total - equal) / expected
    return np.where(expected > 0, alpha, np.nan)


@dataclass(frozen=True, slots=True)
class SelfConsistency:
    """Does a reviewer choose the same when an item comes back?"""

    same: Interval
    """Share of repeated items on which both choices were the same."""
    alpha: float | None
    """The same, corrected for chance; None without variation."""
    repeats: int


def self_consistency(pairs: Sequence[tuple[Hashable, Hashable]]) -> SelfConsistency:
    """Compare first and second choices on repeated items.

    Args:
        pairs: (first choice, second choice) on the same item by the same reviewer, as choices of
            an answer, not of a side.
    """
    same = sum(first == second for first, second in pairs)
    both = [(item, choice) for item, pair in enumerate(pairs) for choice in pair]
    alpha = krippendorff(both, draws=1).alpha.value
    return SelfConsistency(wilson(same, len(pairs)), alpha, len(pairs))


@dataclass(frozen=True, slots=True)
class SideBias:
    """Does a reviewer favour the left or the right answer whatever it says?"""

    left: Interval
    """Share of decided votes that went to the left; sides are drawn evenly, so 50 % is fair."""
    status: Literal["no_votes", "none_seen", "biased"]


def side_bias(sides: Sequence[Literal["left", "right"]], *, level: float = 0.99) -> SideBias:
    """Share of votes for the left side, ties left out.

    The level is stricter than for other figures: with many reviewers, one in twenty would
    otherwise be called biased by chance.
    """
    if not sides:
        return SideBias(wilson(0, 0, level=level), "no_votes")
    left = wilson(sum(side == "left" for side in sides), len(sides), level=level)
    return SideBias(left, "biased" if left.excludes(0.5) else "none_seen")
