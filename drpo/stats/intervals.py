"""Intervals for everything that is claimed: win rates, means over seeds, votes still needed.

Every function returns what it can honestly say at any size, none and one included: an unknown
number is None, never NaN, so that results can be written as JSON. A check of data asks for shares
alone, so scipy, most of a second, is loaded where Student's t is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drpo.errors import DataError

Floats = NDArray[np.float64]
NORMAL = NormalDist()

FEW_CLUSTERS = 5
"""Below this many prompts, resampling says more of the draw than of the spread."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the range that holds the true one in `level` of all repetitions."""

    value: float | None
    """The estimate; None when there is nothing to estimate from."""
    low: float | None
    high: float | None
    """None on either side: unknown, for instance the spread of a single seed."""
    n: int
    """Observations: votes, comparisons, seeds."""
    clusters: int
    """Independent groups among them: prompts for votes; equal to `n` where each stands alone."""
    method: Literal["bootstrap", "wilson", "t", "crossed", "model", "none"]
    level: float = 0.95

    def excludes(self, value: float) -> bool:
        """Whether the whole interval lies on one side of `value`."""
        if self.low is None or self.high is None:
            return False
        return self.low > value or self.high < value

    def to_dict(self) -> dict[str, Any]:
        """The interval as plain values for JSON."""
        return asdict(self)


def wilson(successes: float, n: int, *, level: float = 0.95) -> Interval:
    """Interval of a share of independent trials.

    Args:
        successes: How many succeeded; ties may count half.
        n: How many trials.
        level: Confidence level in (0, 1).

    Returns:
        With no trial: no value, and the range 0 to 1 that is always true.

    Source: Wilson 1927, Probable inference.
    """
    if n == 0:
        return Interval(None, 0.0, 1.0, 0, 0, "none", level)
    z = NORMAL.inv_cdf(0.5 + level / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # Rounding must not push a bound past the share itself, at 0 or 1.
    low, high = min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))
    return Interval(share, low, high, n, n, "wilson", level)


def win_rate(
    outcomes: Sequence[float] | Floats,
    prompts: Sequence[Hashable],
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Win rate with an interval that knows that votes on one prompt are not independent.

    Whole prompts are resampled with all their votes. The plain percentile interval of a bootstrap
    is too narrow for few prompts, so its percentiles are widened as Student's t is wider than the
    normal distribution (Hesterberg 2015, What Teachers Should Know About the Bootstrap, section
    on expanded percentile intervals).

    Args:
        outcomes: 1 for a win, 0 for a loss, .5 for a tie, one per vote.
        prompts: The prompt each vote belongs to.
        level: Confidence level in (0, 1).
        draws: Bootstrap repetitions.
        seed: Seed of the repetitions: the same votes give the same interval.

    Returns:
        No votes: no value, 0 to 1. Fewer than `FEW_CLUSTERS` prompts, or every prompt with the
        same rate (all wins, all ties): resampling cannot see any spread, so Wilson's interval
        with the number of prompts as its sample size is returned. Otherwise the bootstrap one.

    Raises:
        DataError: The two sequences differ in length, or an outcome is outside 0 to 1.
    """
    values = _outcomes(outcomes, prompts)
    if values.size == 0:
        return wilson(0, 0, level=level)
    codes = _numbered(prompts)
    sizes = np.bincount(codes).astype(float)
    sums = np.bincount(codes, weights=values).astype(float)
    rate = float(values.mean())
    clusters = len(sizes)
    if clusters < FEW_CLUSTERS or np.allclose(sums / sizes, rate):
        # Wilson on the prompts: votes on one prompt add no independent evidence.
        few = wilson(rate * clusters, clusters, level=level)
        return Interval(rate, few.low, few.high, values.size, clusters, "wilson", level)
    # In whatever order the votes come, the draws must meet the same prompts.
    order = np.lexsort((sums, sizes))
    rates = _resampled_rates(sums[order], sizes[order], draws, np.random.default_rng(seed))
    tail = _expanded_tail(clusters, level)
    low, high = np.quantile(rates, [tail, 1 - tail])
    return Interval(rate, float(low), float(high), values.size, clusters, "bootstrap", level)


def mean_over_seeds(values: Sequence[float] | Floats, *, level: float = 0.95) -> Interval:
    """Mean of independent repetitions with Student's t interval.

    Returns:
        No value without repetitions; no range with a single one: one seed says nothing of spread.
    """
    sample = np.asarray(values, dtype=float)
    n = sample.size
    if n == 0:
        return Interval(None, None, None, 0, 0, "none", level)
    mean = float(sample.mean())
    if n == 1:
        return Interval(mean, None, None, 1, 1, "none", level)
    half = float(_student(0.5 + level / 2, n - 1) * sample.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n, n, "t", level)


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much better one setting is than another on the same seeds."""

    t: Interval
    """Student's t interval of the mean difference."""
    bootstrap: Interval
    """Expanded percentile interval of the same; no range below three seeds."""
    p_value: float | None
    """Two-sided paired t test; None below two seeds or without any spread."""
    ahead: int
    """Seeds on which the first setting was better."""


def paired_difference(
    treated: Sequence[float],
    control: Sequence[float],
    *,
    level: float = 0.95,
    draws: int = 4000,
    seed: int = 0,
) -> PairedDifference:
    """Compare two settings that were run with the same seeds, in the same order.

    Pairing takes out what the seeds have in common (data order, initial noise), which on small
    numbers of seeds is often most of the spread.

    Raises:
        DataError: The settings do not have the same number of seeds.
    """
    if len(treated) != len(control):
        raise DataError(
            f"A paired comparison needs the same seeds on both sides; got {len(treated)} and "
            f"{len(control)}. Leave out the seeds that only one side has."
        )
    gaps = np.asarray(treated, dtype=float) - np.asarray(control, dtype=float)
    n = gaps.size
    by_t = mean_over_seeds(gaps, level=level)
    resampled = Interval(by_t.value, None, None, n, n, "none", level)
    if n >= 3:
        means = _resampled_rates(gaps, np.ones(n), draws, np.random.default_rng(seed))
        tail = _expanded_tail(n, level)
        low, high = np.quantile(means, [tail, 1 - tail])
        resampled = Interval(by_t.value, float(low), float(high), n, n, "bootstrap", level)
    p_value = None
    if n > 1 and gaps.std() > 1e-9 * np.abs(gaps).max():
        from scipy import stats

        p_value = float(stats.ttest_1samp(gaps, 0.0).pvalue)
    return PairedDifference(by_t, resampled, p_value, int((gaps > 0).sum()))


@dataclass(frozen=True, slots=True)
class VotesNeeded:
    """How far a decision still is."""

    status: Literal["no_votes", "decided", "open", "too_close"]
    """too_close: more than `cap` votes would be needed at the present rate."""
    more: int | None
    """Further votes until the interval leaves 50 %, at the present rate; None if not known."""
    rate: float
    """The rate assumed: the observed one drawn a little towards 50 % (one win and one loss more),
    so that a single vote does not promise a quick decision."""
    cap: int


def votes_needed(
    outcomes: Sequence[float] | Floats,
    prompts: Sequence[Hashable],
    *,
    cap: int = 2000,
    level: float = 0.95,
) -> VotesNeeded:
    """Estimate how many more votes decide whether the win rate is above or below 50 %.

    The interval's half-width falls as one over the root of the number of votes. At rate p with
    variance s^2 a vote and design effect d (how much less clustered votes tell than independent
    ones), it leaves 50 % at about n = d s^2 (z / (p - 1/2))^2 votes, on prompts like the present
    ones.

    Returns:
        Status `no_votes` without any vote (nothing is known of the rate), `decided` when the
        interval of `win_rate` already excludes 50 %, `too_close` beyond `cap`, else `open`.
    """
    values = _outcomes(outcomes, prompts)
    n = values.size
    if n == 0:
        return VotesNeeded("no_votes", None, 0.5, cap)
    rate = float((values.sum() + 1) / (n + 2))
    if win_rate(values, prompts, level=level).excludes(0.5):
        return VotesNeeded("decided", 0, rate, cap)
    gap = abs(rate - 0.5)
    if gap == 0:
        return VotesNeeded("too_close", None, rate, cap)
    z = NORMAL.inv_cdf(0.5 + level / 2)
    # One win and one loss more, here too: the spread of a few equal votes is not zero.
    spread = float((np.square(values - rate).sum() + (1 - rate) ** 2 + rate**2) / (n + 2))
    total = math.ceil(_design_effect(values, prompts) * spread * (z / gap) ** 2)
    more = max(1, total - n)
    if more > cap:
        return VotesNeeded("too_close", None, rate, cap)
    return VotesNeeded("open", more, rate, cap)


def _outcomes(outcomes: Sequence[float] | Floats, prompts: Sequence[Hashable]) -> Floats:
    values = np.asarray(outcomes, dtype=float)
    if values.size != len(prompts):
        raise DataError(
            f"Each outcome needs the prompt it belongs to; got {values.size} outcomes and "
            f"{len(prompts)} prompts."
        )
    if values.size and not ((values >= 0) & (values <= 1)).all():
        raise DataError(
            "An outcome is 1 (win), 0 (loss) or between them (.5 is a tie); got "
            f"{values.min():g} to {values.max():g}."
        )
    return values


def _resampled_rates(sums: Floats, sizes: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Rates of `draws` resamples of whole clusters, in blocks that bound the memory."""
    clusters = len(sums)
    block = max(1, 2_000_000 // clusters)
    rates = []
    for first in range(0, draws, block):
        count = min(block, draws - first)
        picked = rng.integers(0, clusters, size=(count, clusters))
        rates.append(sums[picked].sum(axis=1) / sizes[picked].sum(axis=1))
    return np.concatenate(rates)


def _expanded_tail(clusters: int, level: float) -> float:
    """Percentile that gives a bootstrap of few clusters the width of a t interval."""
    t = _student(0.5 - level / 2, clusters - 1)
    return NORMAL.cdf(t * math.sqrt(clusters / (clusters - 1)))


def _student(quantile: float, freedom: int) -> float:
    """Quantile of Student's t."""
    from scipy import stats

    return float(stats.t.ppf(quantile, freedom))


def _numbered(prompts: Sequence[Hashable]) -> NDArray[np.intp]:
    """Each vote's prompt as a number, from 0 in the order in which they come up."""
    numbers: dict[Hashable, int] = {}
    numbered = [numbers.setdefault(prompt, len(numbers)) for prompt in prompts]
    return np.array(numbered, dtype=np.intp)


def _design_effect(values: Floats, prompts: Sequence[Hashable]) -> float:
    """Variance of the clustered mean over that of as many independent votes; at least 1."""
    codes = _numbered(prompts)
    sizes = np.bincount(codes)
    clusters = len(sizes)
    independent = float(values.var())
    if clusters < FEW_CLUSTERS or clusters == values.size or independent == 0:
        return 1.0
    residuals = np.bincount(codes, weights=values - values.mean())
    clustered = float(np.square(residuals).sum() / values.size * clusters / (clusters - 1))
    return max(1.0, clustered / independent)
