"""What a run comes to: is it better than where it began, how sure is that, at what risk and cost.

The verdict compares the run's last answers with those of the start policy to the same held-out
prompts. Who compares decides how much it means: people who voted blind, else the gold score where
the data know it, else the reward model. The last one is what the run was trained to please, so its
word alone is weak evidence (Gao et al. 2023, Scaling Laws for Reward Model Overoptimization).

Nothing here writes sentences or needs torch: screens, reports and the command line do the telling.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from drpo.config import RunConfig
from drpo.evaluation.kept import evaluation_of
from drpo.evaluation.statistics import (
    Interval,
    VotesNeeded,
    mean_over_seeds,
    votes_needed,
    win_rate,
)
from drpo.monitor.desk import Raised, alarms_of
from drpo.review.plan import reviews
from drpo.review.results import OUTCOMES, standing_votes
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES, Run

Source = Literal["people", "gold", "reward_model"]
Judge = Literal["gold", "reward_model"]
Call = Literal["better", "worse", "open"]
"""better, worse: the interval leaves out 50 %; open: it does not, so nothing is decided."""

STRENGTH: tuple[Source, ...] = ("people", "gold", "reward_model")
"""Whose word counts first."""

JUDGES: tuple[Judge, ...] = ("gold", "reward_model")
FIELD: dict[Judge, str] = {"gold": "gold", "reward_model": "score"}
"""What each judge reads off an answer that was kept."""

Scores = Mapping[str, float]
"""One judge's scores of a policy's answers, by held-out prompt."""


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
    first, last = evaluated(store, run)
    comparisons: list[Comparison] = []
    change = None
    if first is not None and last is not None:
        voted = people(store, run.id, last, first)
        comparisons += [voted] if voted else []
        for judge in JUDGES:
            new, old = scores_at(store, run.id, last, judge), scores_at(store, run.id, first, judge)
            one = compare(new, old, judge)
            comparisons += [one] if one else []
            change = change or change_of(new, old, judge)
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


def evaluated(store: Store, run: Run) -> tuple[int | None, int | None]:
    """The first and the last evaluation whose answers were kept; None without two of them."""
    steps = store.samples.steps(run.id)
    return (steps[0], steps[-1]) if len(steps) > 1 else (None, None)


def scores_at(store: Store, run_id: str, step: int, judge: Judge) -> dict[str, float]:
    """One judge's scores of all answers that are known from one evaluation.

    While a run trains it keeps the answers to some of its held-out prompts; a later `drpo eval`
    keeps them all.
    """
    known = {
        sample.prompt: getattr(sample, FIELD[judge]) for sample in store.samples.at(run_id, step)
    }
    body = evaluation_of(store, run_id, step) or {}
    for kept in body.get("answers", ()):
        known.setdefault(kept["prompt"], kept["policy"].get(FIELD[judge]))
    return {prompt: float(score) for prompt, score in known.items() if score is not None}


def people(store: Store, run_id: str, last: int, first: int) -> Comparison | None:
    """Blind votes between a run's last answers and its first, over all reviews.

    Repeated items are left out: a reviewer's second look at an item is no new evidence.
    """
    outcomes: list[float] = []
    prompts: list[str] = []
    for review in reviews(store):
        sides = [
            source.step if source.run_id == run_id and source.answers == "policy" else None
            for source in review.sources
        ]
        if last not in sides or first not in sides:
            continue
        for vote in standing_votes(store, review.id):
            item = review.item(vote.item)
            steps = (sides[item.first.source], sides[item.second.source])
            if item.repeats is None and vote.choice in OUTCOMES and set(steps) == {first, last}:
                won = OUTCOMES[vote.choice]
                outcomes.append(won if steps[0] == last else 1 - won)
                prompts.append(item.prompt)
    if not outcomes:
        return None
    return Comparison("people", tuple(outcomes), tuple(prompts), win_rate(outcomes, prompts))


def compare(new: Scores, old: Scores, judge: Judge, *, seed: int = 0) -> Comparison | None:
    """Set answers to the same held-out prompts side by side.

    Args:
        new: Scores of the answers that may win.
        old: Scores of those they are held against.
        judge: Whose scores they are.
        seed: Seed of the interval's bootstrap.

    Returns:
        None when no prompt was scored on both sides.
    """
    prompts = tuple(prompt for prompt in new if prompt in old)
    if not prompts:
        return None
    outcomes = tuple(outcome(new[prompt], old[prompt]) for prompt in prompts)
    return Comparison(judge, outcomes, prompts, win_rate(outcomes, prompts, seed=seed))


def pooled(source: Source, parts: Sequence[Comparison]) -> Comparison | None:
    """Lay comparisons of several seeds together; a prompt counts once, with all its seeds."""
    outcomes = tuple(outcome for part in parts for outcome in part.outcomes)
    prompts = tuple(prompt for part in parts for prompt in part.prompts)
    if not outcomes:
        return None
    return Comparison(source, outcomes, prompts, win_rate(outcomes, prompts))


def change_of(new: Scores, old: Scores, judge: Judge) -> Change | None:
    """How a score changed between two sets of answers to the same prompts."""
    both = [prompt for prompt in new if prompt in old]
    if not both:
        return None
    return Change(
        judge,
        first=sum(old[prompt] for prompt in both) / len(both),
        last=sum(new[prompt] for prompt in both) / len(both),
        gain=mean_over_seeds([new[prompt] - old[prompt] for prompt in both]),
    )


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
