"""How often the advice given before training leads to the best way to reset.

`drpo.advice` looks at a task and names a method; the ladder's runs say which came out best. Held
beside two habits, resets at half of the episodes and none. The advice's lines are also fitted anew,
each time without the task that they are then tried on: whether they hold elsewhere is the question.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from drpo import metrics
from drpo.advice.advise import BARS, Bars, Verdict, advise
from drpo.advice.look import Look, from_document
from drpo.store import Store
from drpo.study import tables
from drpo.study.courses import Course, by_arm, over_training
from drpo.study.plan import GRIDS, LADDER

LOOK = "study_look"
"""The kind of document that a look at a task is kept as, by the task's name."""
ARMS: dict[Verdict, str] = {
    "enough": "ppo",
    "hopeless": "ppo",
    "per_prompt": "adaback",
    "uniform": "drpo",
    "little": "drpo-0.25",
}
"""The ladder's arm that each advice stands for; resets at .5 where a quarter was not planned."""
NEEDED = {"ppo", "drpo", "adaback"}
AS_ON_THE_LADDER = {
    "p0": "ppo",
    "p0.25": "drpo-0.25",
    "p0.5": "drpo",
    "p0.75": "drpo-0.75",
    "p1": "drpo-1",
}
"""Arms of tasks on which the reset probability alone differs."""
HABITS = {"always resets at .5": "drpo", "never resets": "ppo"}
GRID = tuple(
    Bars(enough, some, rare, deep)
    for enough, some, rare, deep in itertools.product(
        (0.3, 0.5, 0.7), (0.05, 0.1, 0.2), (0.02, 0.1, 0.2), (0.3, 0.45, 0.6)
    )
)
"""Lines that are tried when they are fitted; those in use are among them."""


@dataclass(frozen=True)
class Case:
    """A task of the ladder: the look at it, and how every arm came out."""

    task: str
    look: Look
    arms: Mapping[str, Mapping[int, Course]]

    def advised(self, bars: Bars = BARS) -> str:
        """The arm that the advice names."""
        arm = ARMS[advise(self.look, bars).verdict]
        return arm if arm in self.arms else "drpo"

    def success(self, arm: str) -> float:
        """Mean success of an arm over all of training."""
        return fmean(
            float(over_training(c.values[metrics.EVAL_GOLD])) for c in self.arms[arm].values()
        )

    @property
    def best(self) -> str:
        """The arm with the highest success over training, of all that learn from episodes."""
        return max(self.learning, key=self.success)

    @property
    def learning(self) -> list[str]:
        """The arms that learn from episodes alone: what came of imitation is another question."""
        return [arm for arm in self.arms if not arm.startswith("sft")]

    def holds(self, arm: str) -> bool:
        """Whether an arm is the best one, or not worse than it beyond the interval."""
        gap = tables.against(self.arms[self.best], self.arms[arm], metrics.EVAL_GOLD, over_training)
        return arm == self.best or not (gap.low is not None and gap.low > 0)


def cases(store: Store, found: Sequence[Course]) -> list[Case]:
    """The tasks that were looked at and have runs of the arms that matter."""
    every = []
    for task in (*LADDER, *GRIDS):
        arms = {AS_ON_THE_LADDER.get(arm, arm): c for arm, c in by_arm(found, task).items()}
        needed = NEEDED if task in LADDER else NEEDED & set(AS_ON_THE_LADDER.values())
        body = store.documents.get(LOOK, task)
        if body and set(arms) >= needed:
            every.append(Case(task, from_document(body), arms))
    return every


def fitted(others: Sequence[Case]) -> Bars:
    """The lines under which the advice does best on some tasks; those in use win a tie."""

    def worth(bars: Bars) -> tuple[float, bool]:
        reached = fmean(
            case.success(case.advised(bars)) / (case.success(case.best) or 1.0) for case in others
        )
        return round(reached, 6), bars == BARS

    return max(GRID, key=worth)


def table(tried: Sequence[Case]) -> pd.DataFrame:
    """One row a task and a way to choose: the arm chosen, and how it stands beside the best."""
    rows = []
    for case in tried:
        others = [other for other in tried if other is not case]
        chosen = {"the advice": case.advised()}
        if others:
            chosen["the advice, fitted to the other tasks"] = case.advised(fitted(others))
        for way, arm in {**chosen, **HABITS}.items():
            rows.append(
                {
                    "task": case.task,
                    "choice": way,
                    "arm": arm,
                    "success": case.success(arm),
                    "best": case.best,
                    "best_success": case.success(case.best),
                    "is_best": arm == case.best,
                    "within": case.holds(arm),
                }
            )
    return pd.DataFrame(rows)
