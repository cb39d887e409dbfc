"""Scores for many checkpoints from pairwise choices with ties."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from drpo.errors import DataError
from drpo.stats.intervals import Interval

Floats = NDArray[np.float64]

PRIOR_STRENGTH = 0.05
"""Weight of the pull of every score to 0: a twentieth of a comparison's worth of information, so
that a contestant who won everything gets a large score rather than an infinite one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One choice between two contestants on one prompt."""

    first: str
    second: str
    outcome: float
    """1: first won, 0: second won, .5: tie."""
    prompt: Hashable


@dataclass(frozen=True, slots=True)
class Score:
    """How one contestant stands."""

    name: str
    strength: Interval
    """Log-odds of winning against the anchor when there is no tie; the anchor itself is 0."""
    comparisons: int
    linked: bool
    """False: no chain of comparisons leads to the anchor, so the score is only the prior's."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """All contestants, strongest first."""

    scores: tuple[Score, ...]
    anchor: str
    tie_weight: float
    """nu of the model: two equal contestants tie with probability nu / (2 + nu)."""


def bradley_terry(
    comparisons: Sequence[Comparison],
    *,
    anchor: str,
    names: Sequence[str] = (),
    level: float = 0.95,
) -> Ranking:
    """Fit one strength per contestant to all choices at once.

    Davidson's extension of Bradley-Terry gives ties their own weight: with strengths t and
    p = exp(t), first wins, second wins and tie have odds p_1 : p_2 : nu sqrt(p_1 p_2). The
    log-likelihood is concave in t and log nu. Intervals are those of the difference to the
    anchor, by the larger of the model's own variance and one that allows choices on the same
    prompt to go together (sandwich estimator, clustered by prompt).

    Args:
        comparisons: All choices.
        anchor: The contestant whose strength is 0, usually the start policy.
        names: Contestants that must appear even when nobody compared them yet.
        level: Confidence level in (0, 1).

    Raises:
        DataError: A contestant is compared with itself, or an outcome is not 1, .5 or 0.

    Source: Davidson 1970, On Extending the Bradley-Terry Model to Accommodate Ties.
    """
    everyone = _contestants(comparisons, anchor, names)
    if not comparisons:
        unknown = Interval(None, None, None, 0, 0, "none", level)
        empty = tuple(Score(name, unknown, 0, name == anchor) for name in everyone)
        return Ranking(empty, anchor, 0.0)
    model = _Davidson(comparisons, everyone)
    theta = model.fit()
    covariances = model.covariances(theta)
    linked = model.linked()
    prompts = len({one.prompt for one in comparisons})
    z = float(stats.norm.ppf(0.5 + level / 2))
    scores = []
    for index, name in enumerate(everyone):
        # The anchor is number 0.
        contrast = np.zeros(len(theta))
        contrast[index] += 1
        contrast[0] -= 1
        value = float(contrast @ theta)
        half = z * float(np.sqrt(max(contrast @ spread @ contrast for spread in covariances)))
        count = int(model.played[index])
        interval = Interval(value, value - half, value + half, count, prompts, "model", level)
        scores.append(Score(name, interval, count, bool(linked[index])))
    scores.sort(key=lambda score: -(score.strength.value or 0.0))
    return Ranking(tuple(scores), anchor, float(np.exp(theta[-1])))


class _Davidson:
    """The likelihood, its gradient and its curvature; parameters are strengths, then log nu."""

    def __init__(self, comparisons: Sequence[Comparison], everyone: Sequence[str]) -> None:
        place = {name: index for index, name in enumerate(everyone)}
        self.first = np.array([place[one.first] for one in comparisons])
        self.second = np.array([place[one.second] for one in comparisons])
        outcome = np.array([one.outcome for one in comparisons], dtype=float)
        # Columns: first won, second won, tie.
        self.seen = np.stack([outcome == 1, outcome == 0, outcome == 0.5], axis=1).astype(float)
        codes: dict[Hashable, int] = {}
        self.prompt = np.array([codes.setdefault(one.prompt, len(codes)) for one in comparisons])
        self.size = len(everyone)
        self.played = np.bincount(np.concatenate([self.first, self.second]), minlength=self.size)
        self.design = self._design()

    def _design(self) -> Floats:
        """Utility of each outcome as a linear function of the parameters: (votes, 3, params)."""
        votes = np.arange(len(self.first))
        design = np.zeros((len(votes), 3, self.size + 1))
        design[votes, 0, self.first] = 1
        design[votes, 1, self.second] = 1
        design[votes, 2, self.first] = 0.5
        design[votes, 2, self.second] = 0.5
        design[:, 2, -1] = 1
        return design

    def probabilities(self, theta: Floats) -> Floats:
        utility = self.design @ theta
        utility -= utility.max(axis=1, keepdims=True)
        odds = np.exp(utility)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def loss(self, theta: Floats) -> tuple[float, Floats]:
        p = self.probabilities(theta)
        likelihood = float((self.seen * np.log(np.maximum(p, 1e-300))).sum())
        gradient = np.einsum("vo,vop->p", self.seen - p, self.design)
        penalty = 0.5 * PRIOR_STRENGTH * float(theta @ theta)
        return penalty - likelihood, PRIOR_STRENGTH * theta - gradient

    def fit(self) -> Floats:
        found = minimize(
            self.loss,
            np.zeros(self.size + 1),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-8},
        )
        return np.asarray(found.x)

    def covariances(self, theta: Floats) -> list[Floats]:
        """The model's own covariance and, with two prompts or more, the clustered one."""
        p = self.probabilities(theta)
        mean = np.einsum("vo,vop->vp", p, self.design)
        centred = self.design - mean[:, None]
        curvature = np.einsum("vo,vop,voq->pq", p, centred, centred)
        inverse = np.linalg.inv(curvature + PRIOR_STRENGTH * np.eye(len(theta)))
        pulls = np.einsum("vo,vop->vp", self.seen - p, self.design)
        clusters = int(self.prompt.max()) + 1
        by_prompt = np.zeros((clusters, len(theta)))
        np.add.at(by_prompt, self.prompt, pulls)
        if clusters == 1:
            return [inverse]
        sandwich = inverse @ (by_prompt.T @ by_prompt) @ inverse * clusters / (clusters - 1)
        return [inverse, sandwich]

    def linked(self) -> NDArray[np.bool_]:
        ones = np.ones(len(self.first))
        graph = coo_array((ones, (self.first, self.second)), shape=(self.size, self.size))
        _, label = connected_components(graph, directed=False)
        return np.asarray(label == label[0])


def _contestants(comparisons: Sequence[Comparison], anchor: str, names: Sequence[str]) -> list[str]:
    for one in comparisons:
        if one.first == one.second:
            raise DataError(f"{one.first!r} is compared with itself; leave that row out.")
        if one.outcome not in (0, 0.5, 1):
            raise DataError(
                f"The outcome of {one.first!r} against {one.second!r} is {one.outcome!r}; "
                "expected 1 (first won), 0 (second won) or .5 (tie)."
            )
    seen = {anchor: None} | dict.fromkeys(names)
    for one in comparisons:
        seen |= {one.first: None, one.second: None}
    return list(seen)
