"""Means over seeds and prompts at once, where every seed answers the same prompts.

An interval over seeds says how other seeds would have come out on these very prompts. A claim about
the method is about other prompts as well, so both are counted as drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drpo.stats.intervals import Interval

Outcomes = NDArray[np.float64]
"""(seeds, prompts)."""


@dataclass(frozen=True, slots=True)
class CrossedMean:
    """A mean over seeds and prompts, and how far it is from none."""

    interval: Interval
    p_value: float | None
    """Two-sided, against 0; None below two seeds or two prompts, or without any spread."""


def mean_over_seeds_and_prompts(outcomes: Outcomes, *, level: float = 0.95) -> CrossedMean:
    """Mean of what several seeds did on the same prompts, both taken as drawn at random.

    The variance of the mean over seeds and that over prompts, less what both of them hold of each
    single answer's chance; never less than the larger of the two. Student's t with one degree of
    freedom less than the smaller number, which is on the careful side.

    Args:
        outcomes: One row a seed, one column a prompt; differences of two arms for a comparison.
        level: Confidence level in (0, 1).

    Returns:
        No value without outcomes; no range with a single seed or prompt.

    Source: Cameron, Gelbach and Miller 2011, Robust Inference With Multiway Clustering, Journal of
    Business & Economic Statistics 29(2); the degrees of freedom from Cameron and Miller 2015, A
    Practitioner's Guide to Cluster-Robust Inference, section VI.
    """
    seeds, prompts = outcomes.shape
    if outcomes.size == 0:
        return CrossedMean(Interval(None, None, None, 0, 0, "none", level), None)
    mean, smaller = float(outcomes.mean()), min(seeds, prompts)
    if smaller < 2:
        return CrossedMean(Interval(mean, None, None, seeds, smaller, "none", level), None)
    from scipy import stats

    error = math.sqrt(_variance(outcomes))
    half = float(stats.t.ppf(0.5 + level / 2, smaller - 1)) * error
    p_value = float(2 * stats.t.sf(abs(mean) / error, smaller - 1)) if error > 0 else None
    interval = Interval(mean, mean - half, mean + half, seeds, smaller, "crossed", level)
    return CrossedMean(interval, p_value)


def _variance(outcomes: Outcomes) -> float:
    """Variance of the mean of a table whose rows and columns were both drawn."""
    seeds, prompts = outcomes.shape
    of_seeds, of_prompts = outcomes.mean(axis=1), outcomes.mean(axis=0)
    by_seed = float(of_seeds.var(ddof=1)) / seeds
    by_prompt = float(of_prompts.var(ddof=1)) / prompts
    rest = outcomes - of_seeds[:, None] - of_prompts[None, :] + outcomes.mean()
    freedom = (seeds - 1) * (prompts - 1)
    by_chance = float(np.square(rest).sum()) / freedom / outcomes.size
    return float(max(by_seed + by_prompt - by_chance, by_seed, by_prompt))
