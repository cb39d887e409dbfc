"""Reward against KL: what a run's checkpoints buy, and where more optimisation starts to hurt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from drpo import metrics
from drpo.store import Store
from drpo.types import known

FIGURES = (
    metrics.EVAL_KL,
    metrics.EVAL_SCORES,
    metrics.EVAL_GOLD,
    metrics.error_of(metrics.EVAL_SCORES),
    metrics.error_of(metrics.EVAL_GOLD),
)
FEWEST_POINTS = 4
"""Two parameters are fitted; fewer points than this would fit anything."""


@dataclass(frozen=True, slots=True)
class Point:
    """One checkpoint on held-out prompts."""

    run_id: str
    step: int
    kl: float
    """Nats per answer from the start policy; sampling noise may put it below 0 at the start."""
    score: float
    """Learned reward."""
    gold: float | None
    score_se: float | None
    gold_se: float | None


def points(store: Store, run_ids: Sequence[str]) -> list[Point]:
    """Read one point per evaluation of each run, in order of step."""
    found = []
    for run_id in run_ids:
        written: dict[int, dict[str, float]] = {}
        rows = store.metrics.since(run_id, names=FIGURES)
        for step, name, value in zip(rows["step"], rows["name"], rows["value"], strict=True):
            # A step may have been written twice by a resumed run: the last value stands.
            written.setdefault(int(step), {})[name] = value
        for step in sorted(written):
            values = written[step]
            kl, score, gold, score_se, gold_se = (
                known(float(values[name])) if name in values else None for name in FIGURES
            )
            if kl is not None and score is not None:
                found.append(Point(run_id, step, kl, score, gold, score_se, gold_se))
    return found


def pareto(candidates: Sequence[Point]) -> list[Point]:
    """Keep the points that no other beats: none has at most their KL and a higher score."""
    best: list[Point] = []
    for point in sorted(candidates, key=lambda p: (p.kl, -p.score)):
        if not best or point.score > best[-1].score:
            best.append(point)
    return best


@dataclass(frozen=True, slots=True)
class Overoptimization:
    """The curve gold(d) = start + d (alpha - beta log d) with d = sqrt(KL)."""

    start: float
    """Gold score of the start policy."""
    alpha: float
    """Score gained per unit of d at d = 1."""
    beta: float
    """How fast the gain is used up; not above 0 means that no turning point is in sight."""
    r_squared: float
    """Share of the spread of the gold score that the curve explains."""
    peak_kl: float | None
    """KL at which the curve turns down, nats; None when beta is not above 0."""
    peak_gold: float | None
    peak_seen: bool
    """Whether the measured points reach beyond the peak; else it is an extrapolation."""

    def at(self, kl: float) -> float:
        """Gold score that the curve gives at a KL, nats."""
        return self.start + _gain(math.sqrt(kl), self.alpha, self.beta) if kl > 0 else self.start


def overoptimization(
    kl: Sequence[float], gold: Sequence[float], *, start: float
) -> Overoptimization | None:
    """Fit how true reward rises and then falls as the policy leaves its start.

    Args:
        kl: Nats per answer at each checkpoint; those not above 0 carry no information.
        gold: Gold score at each checkpoint.
        start: Gold score of the start policy, where d is 0.

    Returns:
        None with fewer than four usable points.

    Source: Gao et al. 2023, Scaling Laws for Reward Model Overoptimization, arXiv:2210.10760,
    section 3.1, the form for reinforcement learning. It is linear in alpha and beta, so least
    squares needs no starting guess.
    """
    usable = [(k, g) for k, g in zip(kl, gold, strict=True) if k > 0]
    if len(usable) < FEWEST_POINTS:
        return None
    distance = np.sqrt([k for k, _ in usable])
    gained = np.array([g - start for _, g in usable])
    design = np.stack([distance, -distance * np.log(distance)], axis=1)
    (alpha, beta), *_ = np.linalg.lstsq(design, gained, rcond=None)
    residual = float(np.square(gained - design @ np.array([alpha, beta])).sum())
    spread = float(np.square(gained - gained.mean()).sum())
    r_squared = 1 - residual / spread if spread > 0 else 0.0
    peak_kl = peak_gold = None
    # The curve's slope is alpha - beta (1 + log d), zero at d = exp(alpha / beta - 1). A peak
    # further out than any policy goes is none, and exp must not overflow.
    if beta > 0 and alpha / beta - 1 < math.log(1e3):
        peak = math.exp(alpha / beta - 1)
        peak_kl, peak_gold = peak**2, start + _gain(peak, alpha, beta)
    seen = peak_kl is not None and max(k for k, _ in usable) > peak_kl
    return Overoptimization(start, float(alpha), float(beta), r_squared, peak_kl, peak_gold, seen)


@dataclass(frozen=True, slots=True)
class Frontier:
    """A run's evaluations as reward against KL, and the curve through its gold scores."""

    run_id: str
    points: tuple[Point, ...]
    best: tuple[Point, ...]
    """The points that no other beats."""
    curve: Overoptimization | None
    """None where no gold score is known, or too few points carry information."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def frontier(store: Store, run_id: str) -> Frontier:
    """Read a run's frontier from its evaluations; loads no model."""
    found = points(store, [run_id])
    known = [(point.kl, point.gold) for point in found if point.gold is not None]
    curve = None
    if known:
        curve = overoptimization(
            [kl for kl, _ in known], [gold for _, gold in known], start=known[0][1]
        )
    return Frontier(run_id, tuple(found), tuple(pareto(found)), curve)


def _gain(distance: float, alpha: float, beta: float) -> float:
    return float(distance * (alpha - beta * math.log(distance)))
