"""How many labels are wrong: confident learning, with an interval.

A pair counts as confidently wrong where the model that had not seen it is as sure of the other
answer as it is, on average, of labels. Source: Northcutt, Jiang and Chuang 2021, Confident
Learning (arXiv:1911.00068), by its authors' library.

The estimate holds where the model can tell the answers apart. Where it cannot, its own errors are
counted as errors of labels: `strength` says which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from cleanlab.count import estimate_joint
from numpy.typing import NDArray

from drpo.stats.intervals import Interval, wilson

DRAWS = 200
FEWER_DRAWS, MANY = 50, 50_000

Strength = Literal["strong", "moderate", "weak"]
STRONG, MODERATE = 0.75, 0.6
"""The least share of labels a model agrees with, at the low end of its interval."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Noise:
    """What a check says of a whole set."""

    wrong: Interval
    """Share of labels that are wrong."""
    accuracy: Interval
    """Share of labels that the model, which had not seen them, agrees with."""

    @property
    def strength(self) -> Strength:
        """How far the model can be trusted to find wrong labels."""
        low = self.accuracy.low or 0.0
        return "strong" if low >= STRONG else "moderate" if low >= MODERATE else "weak"


def estimate_noise(probability: Floats, groups: NDArray[np.int64], *, seed: int = 0) -> Noise:
    """Estimate the share of wrong labels.

    Args:
        probability: That each label is right, by a model that has not seen it.
        groups: Pairs with one number share a prompt and are drawn together.
        seed: Draws prompts for the intervals.

    Returns:
        Shares with 95 % intervals over prompts. They say what other prompts would have given;
        what the model cannot see they do not know.
    """
    rng = np.random.default_rng([seed, 5])
    order = np.argsort(groups, kind="stable")
    _, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    draws = DRAWS if len(groups) <= MANY else FEWER_DRAWS
    shares = np.zeros((draws, 2))
    for draw in range(draws):
        drawn = rng.integers(len(starts), size=len(starts))
        rows = order[_rows(starts[drawn], sizes[drawn])]
        shares[draw] = _wrong(probability[rows]), _agreeing(probability[rows])
    wrong = _interval(_wrong(probability), shares[:, 0], len(groups), len(starts))
    accuracy = _interval(_agreeing(probability), shares[:, 1], len(groups), len(starts))
    return Noise(wrong, accuracy)


def _interval(value: float, drawn: Floats, n: int, clusters: int) -> Interval:
    """The range of what was drawn, never narrower than Wilson's for as many single pairs.

    At a share of 0 or 1 every draw says the same, which is no certainty.
    """
    low, high = np.quantile(drawn, (0.025, 0.975))
    single = wilson(value * clusters, clusters)
    return Interval(
        value,
        min(float(low), single.low or 0.0),
        max(float(high), single.high or 0.0),
        n,
        clusters,
        "bootstrap",
    )


def _rows(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places start, start + 1, ... of every group, one after the other."""
    ends = np.cumsum(sizes)
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(int(ends[-1]))


def _agreeing(probability: Floats) -> float:
    return float(np.mean(probability > 0.5) + 0.5 * np.mean(probability == 0.5))


def _wrong(probability: Floats) -> float:
    """The share off the diagonal of the joint of given and true labels.

    Which answer stands first means nothing, so every pair is counted in both orders.
    """
    given = np.repeat([0, 1], len(probability))
    both = np.column_stack([probability, 1 - probability])
    joint = estimate_joint(given, np.vstack([both, both[:, ::-1]]))
    return float(joint[0, 1] + joint[1, 0])
