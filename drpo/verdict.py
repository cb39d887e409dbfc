"""What a run comes to: is it better than where it began, how sure is that, at what risk and cost.

The verdict compares the run's last answers with those of the start policy to the same held-out
prompts. Who compares decides how much it means: people who voted blind, else the gold score where
the data know it, else the reward model. The last one is what the run was trained to please, so its
word alone is weak evidence (Gao et al. 2023, Scaling Laws for Reward Model Overoptimization).

Nothing here writes sentences or needs torch: screens, reports and the command line do the telling.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from drpo.config import RunConfig
from drpo.evaluation.statistics import (
    Interval,
    VotesNeeded,
    mean_over_seeds,
    votes_needed,
    win_rate,
)
from drpo.monitor.desk import Raised, alarms_of
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES, Run, SampleRow

Source = Literal["people", "gold", "reward_model"]
Judge = Literal["gold", "reward_model"]
Call = Literal["better", "worse", "open"]
"""better, worse: the interval leaves out 50 %; open: it does not, so nothing is decided."""

STRENGTH: tuple[Source, ...] = ("people", "gold", "reward_model")
"""Whose word counts first."""

COLUMN = {"gold": "gold", "reward_model": "score"}
"""The field of a sample that each judge reads."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Answers set side by side, one outcome a comparison, as seen by one judge."""

    source: Source
    outcomes: tuple[float, ...]
    """1 where the new answer wins, 0 where the old one does, .5 for a tie."""
    prompts: tuple[Hashable, ...]
    """The prompt of each; comparisons on one prompt are not independent."""
    rate: Interval
    """Share won, ties counted half."""

    @property
    def wins(self) -> int:
        """Comparisons that the new answer won."""
        return sum(outcome > 0.5 for outcome in self.outcomes)

    @property
    def losses(self) -> int:
        """Comparisons that the old answer won."""
        return sum(outcome < 0.5 for outcome in self.outcomes)

    @property
    def ties(self) -> int:
        """Comparisons without a winner."""
        return len(self.outcomes) - self.wins - self.losses

    @property
    def call(self) -> Call:
        """What the interval allows to say."""
        return call_of(self.rate, 0.5)

    @property
    def needed(self) -> VotesNeeded:
        """How many more comparisons a decision would take at this rate."""
        return votes_needed(self.outcomes, self.prompts)


@dataclass(frozen=True, slots=True)
class Change:
    """A score at the start and now, over the same prompts, in its own units."""

    source: Judge
    first: float
    last: float
    gain: Interval
    """Mean difference per prompt with Student's t interval."""


@dataclass(frozen=True, slots=True)
class Risk:
    """How far the policy went, and what raised a hand on the way."""

    kl: float | None
    """Nats per answer, held-out, at the end."""
    kl_highest: float | None
    """The most that any evaluation saw."""
    kl_budget: float
    alarms: tuple[Raised, ...]

    @property
    def over_budget(self) -> bool:
        """Whether KL was over its budget at any evaluation."""
        return self.kl_highest is not None and self.kl_highest > self.kl_budget


@dataclass(frozen=True, slots=True)
class Cost:
    """What the run took."""

    seconds: float
    episodes: int
    updates: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that can be said of a run in one glance."""

    run: Run
    first_step: int | None
    last_step: int | None
    """The evaluations whose answers are compared; None before there are any."""
    comparisons: tuple[Comparison, ...]
    """One for each judge that knows these answers, the strongest word first."""
    change: Change | None
    """Of the gold score where there is one, else of the learned reward."""
    risk: Risk
    cost: Cost
    live: bool = field(default=False)

    @property
    def main(self) -> Comparison | None:
        """The comparison that the verdict rests on."""
        return self.comparisons[0] if self.comparisons else None

    @property
    def reward_model(self) -> Comparison | None:
        """The reward model's own opinion, to set beside a stronger one."""
        return next((one for one in self.comparisons if one.source == "reward_model"), None)

    @property
    def gamed(self) -> bool:
        """Whether the reward model sees a gain that a stronger judge's interval rules out."""
        main, learned = self.main, self.reward_model
        if main is None or learned is None or main is learned:
            return False
        low, high = learned.rate.low, main.rate.high
        return learned.call == "better" and low is not None and high is not None and low > high


def call_of(interval: Interval, neutral: float) -> Call:
    """Say on which side of `neutral` an interval lies, if on one."""
    if interval.low is not None and interval.low > neutral:
        return "better"
    if interval.high is not None and interval.high < neutral:
        return "worse"
    return "open"


def verdict_of(store: Store, run: Run) -> Verdict:
    """Judge one run by what the store holds; cheap, loads no model.

    Args:
        store: The store.
        run: The run, live or ended.

    Returns:
        Without two evaluations there is nothing to compare: no comparisons and no change.
    """
    steps = store.samples.steps(run.id)
    first = last = None
    comparisons: list[Comparison] = []
    change = None
    if len(steps) > 1:
        first, last = steps[0], steps[-1]
        old, new = store.samples.at(run.id, first), store.samples.at(run.id, last)
        judged = [compare(new, old, judge) for judge in ("gold", "reward_model")]
        comparisons += [one for one in judged if one is not None]
        change = change_of(new, old, "gold") or change_of(new, old, "reward_model")
    return Verdict(
        run=run,
        first_step=first,
        last_step=last,
        comparisons=tuple(comparisons),
        change=change,
        risk=risk_of(store, run),
        cost=cost_of(run),
        live=run.status in LIVE_STATUSES,
    )


def compare(
    new: Iterable[SampleRow], old: Iterable[SampleRow], judge: Judge, *, seed: int = 0
) -> Comparison | None:
    """Set answers to the same held-out prompts side by side.

    Args:
        new: The answers that may win.
        old: The answers they are held against.
        judge: Whose score decides.
        seed: Seed of the interval's bootstrap.

    Returns:
        None when no prompt was scored on both sides.
    """
    pairs = matched(new, old, judge)
    if not pairs:
        return None
    outcomes = tuple(outcome(mine, theirs) for _, mine, theirs in pairs)
    prompts = tuple(prompt for prompt, _, _ in pairs)
    return Comparison(judge, outcomes, prompts, win_rate(outcomes, prompts, seed=seed))


def pooled(source: Source, parts: Sequence[Comparison]) -> Comparison | None:
    """Lay comparisons of several seeds together; a prompt counts once, with all its seeds."""
    outcomes = tuple(outcome for part in parts for outcome in part.outcomes)
    prompts = tuple(prompt for part in parts for prompt in part.prompts)
    if not outcomes:
        return None
    return Comparison(source, outcomes, prompts, win_rate(outcomes, prompts))


def change_of(new: Iterable[SampleRow], old: Iterable[SampleRow], judge: Judge) -> Change | None:
    """How a score changed between two sets of answers to the same prompts."""
    pairs = matched(new, old, judge)
    if not pairs:
        return None
    gains = [mine - theirs for _, mine, theirs in pairs]
    return Change(
        judge,
        first=sum(theirs for _, _, theirs in pairs) / len(pairs),
        last=sum(mine for _, mine, _ in pairs) / len(pairs),
        gain=mean_over_seeds(gains),
    )


def matched(
    new: Iterable[SampleRow], old: Iterable[SampleRow], judge: Judge
) -> list[tuple[str, float, float]]:
    """Prompt, new score and old score for each held-out item that has both."""
    before = {sample.item: getattr(sample, COLUMN[judge]) for sample in old}
    pairs = []
    for sample in new:
        mine, theirs = getattr(sample, COLUMN[judge]), before.get(sample.item)
        if mine is not None and theirs is not None:
            pairs.append((sample.prompt, float(mine), float(theirs)))
    return pairs


def outcome(mine: float, theirs: float) -> float:
    """1 for a win, 0 for a loss, .5 for equal scores."""
    if mine == theirs:
        return 0.5
    return 1.0 if mine > theirs else 0.0


def risk_of(store: Store, run: Run) -> Risk:
    """How far a run went from its start policy, and its alarms."""
    seen = store.metrics.since(run.id, names=["eval/kl"])
    last = (run.summary.get("last") or {}).get("kl")
    return Risk(
        kl=last,
        kl_highest=float(seen["value"].max()) if len(seen) else last,
        kl_budget=RunConfig.from_nested(run.config).alarms.alarm_kl_budget,
        alarms=tuple(alarms_of(store, run.id)),
    )


def cost_of(run: Run) -> Cost:
    """What a run took, stages before the policy's training included."""
    summary = run.summary
    return Cost(
        seconds=float(summary.get("wall_seconds", 0.0)),
        episodes=int(summary.get("episodes", 0)),
        updates=run.step,
    )
