"""What a pilot comes to: effect, risk and cost of resets with intervals, and what scaling takes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from drpo import metrics
from drpo.analysis.head_to_head import (
    JUDGES,
    METRIC,
    Call,
    Comparison,
    JudgeName,
    call_of,
    compare,
    pooled,
)
from drpo.analysis.verdict import Risk, cost_of, evaluated, head_to_head, risk_of, scores_at
from drpo.pilot.design import ARMS, Arm, Pilot, members
from drpo.stats.intervals import PairedDifference, paired_difference
from drpo.store import Store
from drpo.store.schema import Run


@dataclass(frozen=True, slots=True)
class ArmResult:
    """What one arm did, over its finished seeds."""

    runs: tuple[Run, ...]
    against_start: Comparison | None
    """Last answers against the start policy's, all seeds together."""
    finals: tuple[float, ...]
    """Held-out score at the end, one a seed, in the order of `PilotResult.seeds`."""
    risks: tuple[Risk, ...]
    seconds: tuple[float, ...]
    episodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PilotResult:
    """The verdict on a pilot, from the seeds that finished in both arms."""

    seeds: tuple[int, ...]
    judge: JudgeName | None
    """Whose score is compared: gold where the data know it, else the reward model."""
    resets: ArmResult
    plain: ArmResult
    effect: PairedDifference
    """Final held-out score with resets less that without, seed by seed."""
    head_to_head: Comparison | None
    """Answers with resets against answers without, same prompts and seeds."""
    kl_difference: PairedDifference
    seconds_difference: PairedDifference

    @property
    def call(self) -> Call:
        """What the interval of the effect allows to say."""
        return call_of(self.effect.t, 0.0)


def read(store: Store, pilot: Pilot) -> PilotResult:
    """Judge a pilot by the seeds that have finished in both arms so far."""
    finished: dict[Arm, dict[int, Run]] = {arm: {} for arm in ARMS}
    for member in members(store, pilot):
        if member.run is not None and member.run.status == "finished":
            finished[member.arm][member.seed] = member.run
    seeds = tuple(sorted(finished["resets"].keys() & finished["plain"].keys()))
    pairs = [(finished["resets"][seed], finished["plain"][seed]) for seed in seeds]
    judge = _judge_of([run for pair in pairs for run in pair])
    resets = _arm_result(store, [pair[0] for pair in pairs], judge)
    plain = _arm_result(store, [pair[1] for pair in pairs], judge)
    return PilotResult(
        seeds=seeds,
        judge=judge,
        resets=resets,
        plain=plain,
        effect=paired_difference(resets.finals, plain.finals),
        head_to_head=_head_to_head(store, pairs, judge),
        kl_difference=_kl_difference(resets, plain),
        seconds_difference=paired_difference(resets.seconds, plain.seconds),
    )


@dataclass(frozen=True, slots=True)
class ScaleCost:
    """What a larger trial would take, from the speed the pilot saw."""

    seconds: float
    low: float
    high: float
    """The slowest and the fastest of the pilot's runs, scaled alike: a range seen, not a bound."""
    episodes: int
    updates: int


def scale_cost(
    arm: ArmResult,
    *,
    updates: int,
    episodes_per_update: int,
    seeds: int = 1,
    model_times: float = 1.0,
    length_times: float = 1.0,
) -> ScaleCost | None:
    """Estimate what a scaled trial would take on the same machine.

    Time grows in proportion to episodes, answer length and the model's parameters: that holds
    while the machine is busy, and is too high for a small model that leaves it idle.

    Args:
        arm: The finished runs to go by.
        updates: Updates of a run.
        episodes_per_update: Episodes of an update.
        seeds: Runs.
        model_times: Parameters, times those of the pilot's model.
        length_times: Longest answer, times the pilot's.

    Returns:
        None when the pilot has no finished run to go by.
    """
    rates = [
        seconds / episodes
        for seconds, episodes in zip(arm.seconds, arm.episodes, strict=True)
        if episodes and seconds
    ]
    if not rates:
        return None
    episodes = updates * episodes_per_update * seeds
    times = episodes * model_times * length_times
    return ScaleCost(
        seconds=statistics.median(rates) * times,
        low=min(rates) * times,
        high=max(rates) * times,
        episodes=episodes,
        updates=updates * seeds,
    )


def _judge_of(runs: Sequence[Run]) -> JudgeName | None:
    """The strongest judge that knows the final answers of all runs."""
    if not runs:
        return None
    known = (judge for judge in JUDGES if all(_final(run, judge) is not None for run in runs))
    return next(known, None)


def _final(run: Run, judge: JudgeName) -> float | None:
    """A judge's mean score of the run's last held-out answers."""
    return metrics.read(run.summary.get("last"), METRIC[judge])


def _arm_result(store: Store, runs: Sequence[Run], judge: JudgeName | None) -> ArmResult:
    against = []
    for run in runs:
        first, last = evaluated(store, run)
        if judge is not None and first is not None and last is not None:
            new, old = scores_at(store, run.id, last, judge), scores_at(store, run.id, first, judge)
            one = compare(new, old, judge)
            against += [one] if one else []
    costs = [cost_of(run) for run in runs]
    return ArmResult(
        runs=tuple(runs),
        against_start=pooled(judge, against) if judge else None,
        finals=tuple(score for run in runs if judge and (score := _final(run, judge)) is not None),
        risks=tuple(risk_of(store, run) for run in runs),
        seconds=tuple(cost.seconds for cost in costs),
        episodes=tuple(cost.episodes for cost in costs),
    )


def _head_to_head(
    store: Store, pairs: Sequence[tuple[Run, Run]], judge: JudgeName | None
) -> Comparison | None:
    if judge is None:
        return None
    parts = [head_to_head(store, with_resets, without, judge) for with_resets, without in pairs]
    return pooled(judge, [one for one in parts if one])


def _kl_difference(resets: ArmResult, plain: ArmResult) -> PairedDifference:
    both = [
        (mine.kl, theirs.kl)
        for mine, theirs in zip(resets.risks, plain.risks, strict=True)
        if mine.kl is not None and theirs.kl is not None
    ]
    return paired_difference([mine for mine, _ in both], [theirs for _, theirs in both])
