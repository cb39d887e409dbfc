"""What a run comes to: is it better than where it began, how sure is that, at what risk and cost.

The verdict compares the run's last answers with those of the start policy to the same held-out
prompts. Who compares decides how much it means: people who voted blind, else the gold score where
the data know it, else the reward model. The last one is what the run was trained to please, so its
word alone is weak evidence (Gao et al. 2023, Scaling Laws for Reward Model Overoptimization).

Nothing here writes sentences or needs torch: screens, reports and the command line do the telling.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from drpo import metrics
from drpo.alarms.handler import Raised, alarms_of
from drpo.analysis.head_to_head import JUDGES, Change, Comparison, JudgeName, change_of, compare
from drpo.config.methods import UPDATING
from drpo.config.run_config import RunConfig
from drpo.evaluation.storage import evaluation_of
from drpo.review.results import OUTCOMES, standing_votes
from drpo.review.sampling import reviews
from drpo.stats.intervals import win_rate
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES, Run

FIELD: dict[JudgeName, str] = {"gold": "gold", "reward_model": "score"}
"""What each judge reads off an answer that was kept."""


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
    """0 for a method without updates, as SFT or DPO; it draws no episodes either."""


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


def scores_at(store: Store, run_id: str, step: int, judge: JudgeName) -> dict[str, float]:
    """One judge's scores of all answers that are known from one evaluation.

    While a run trains it keeps the answers to some of its held-out prompts; a later `drpo eval`
    keeps them all. A run that is trained on the gold score keeps that one as its score, so a reward
    model's is known only from such an evaluation.
    """
    known = {}
    if judge == "gold" or not store.runs.get(run_id).trained_on_gold:
        samples = store.samples.at(run_id, step)
        known = {sample.prompt: getattr(sample, FIELD[judge]) for sample in samples}
    body = evaluation_of(store, run_id, step) or {}
    for kept in body.get("answers", ()):
        known.setdefault(kept["prompt"], kept["policy"].get(FIELD[judge]))
    return {prompt: float(score) for prompt, score in known.items() if score is not None}


def head_to_head(store: Store, subject: Run, other: Run, judge: JudgeName) -> Comparison | None:
    """The last answers of two runs to the same held-out prompts, as one judge sees them.

    Args:
        store: The store.
        subject: The run whose wins are counted.
        other: Its opponent.
        judge: Who judges.

    Returns:
        None while one of them has no answers, or where they answered no prompt both.
    """
    ends = [(run, store.samples.last_step(run.id)) for run in (subject, other)]
    new, old = ({} if step is None else scores_at(store, run.id, step, judge) for run, step in ends)
    return compare(new, old, judge)


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


def risk_of(store: Store, run: Run) -> Risk:
    """How far a run went from its start policy, and its alarms."""
    seen = store.metrics.since(run.id, names=[metrics.EVAL_KL])
    last = metrics.read(run.summary.get("last"), metrics.EVAL_KL)
    return Risk(
        kl=last,
        kl_highest=float(seen["value"].max()) if len(seen) else last,
        kl_budget=RunConfig.from_nested(run.config).alarms.alarm_kl_budget,
        alarms=tuple(alarms_of(store, run.id)),
    )


def cost_of(run: Run) -> Cost:
    """What a run took, stages before the policy's training included."""
    summary, method = run.summary, run.config["run"]["method"]
    return Cost(
        seconds=float(summary.get("wall_seconds", 0.0)),
        episodes=int(summary.get("episodes", 0)),
        # The other methods file their policy as step 1, which is no update.
        updates=run.step if method in UPDATING else 0,
    )
