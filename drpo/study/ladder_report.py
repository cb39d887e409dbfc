"""The ladder in the study's report: every way to reset on every task, losers included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from drpo.config.reset_methods import METHODS
from drpo.store import Store
from drpo.study import calibration, courses, tables, writing
from drpo.study.plan import FOOTING, LADDER, SEEDS

CONTROL = "ppo"
GRADED = "tldr"
TITLES = {
    "lock": "A combination lock as text",
    "addition": "Sums with carries",
    "parity": "Latent parities",
}


def sections(found: Sequence[courses.Course], beside: Path) -> list[str]:
    """One section a task that has runs.

    Args:
        found: All finished runs of the study.
        beside: Where tables and pictures go.
    """
    parts = [part for task in LADDER for part in _section(task, found, beside)]
    if not parts:
        return []
    papers = ", ".join(f"[{name}]({one.paper})" for name, one in METHODS.items())
    return [
        "## 5. The ladder: every way to reset, on one footing",
        f"All or nothing by the true score; {SEEDS} seeds planned, the same updates and groups of "
        f"{FOOTING['group_size']} for every arm ({papers}; what differs from each paper is in "
        "resets.md). p-values are paired by seed and prompt against no resets and corrected by "
        "Holm for all arms of a task together; over all of training means the mean of all "
        "evaluations. Tokens are all that the policy wrote, answers drawn before the run and "
        "groups drawn again included; those columns are over seeds alone.\n",
        *parts,
        *_faulty(found, beside),
    ]


def _faulty(found: Sequence[courses.Course], beside: Path) -> list[str]:
    frame = tables.faulty(found, CONTROL)
    if frame.empty:
        return []
    frame.to_csv(beside / "demonstrations.csv", index=False)
    names = ("final", "against_none", "over_against_none", "over_against_right")
    rows = [
        [
            *(str(row[name]) for name in ("task", "arm", "shown", "seeds")),
            *(writing.of(row, name, 100) for name in names),
            writing.p_value(None if pd.isna(row["p"]) else row["p"]),
        ]
        for row in frame.to_dict("records")
    ]
    heads = [
        "task",
        "arm",
        "reset into",
        "seeds",
        "success after all episodes, %",
        "against no resets, points",
        "over all of training against no resets, points",
        "over all of training against right answers, points",
        "p of that, corrected",
    ]
    return [
        "### Into answers that are not all right",
        "The same runs, reset into demonstrations of which half have faults here and there "
        "(`noisy`), and into those of another policy, right up to some place and then at a loss "
        "(`other`). What is learned is scored as before, so a reset behind a fault cannot be won. "
        "p-values are by Holm over the rows of this table.\n",
        writing.table(heads, rows),
    ]


def advice(store: Store, found: Sequence[courses.Course], beside: Path) -> list[str]:
    """How often the advice before training named the best arm.

    Args:
        store: Where the looks are kept.
        found: All finished runs of the study.
        beside: Where the table goes.
    """
    tried = calibration.cases(store, found)
    if not tried:
        return []
    frame = calibration.table(tried)
    frame.to_csv(beside / "advice.csv", index=False)
    rows = [
        [
            str(row["task"]),
            str(row["choice"]),
            str(row["arm"]),
            _success(row["task"], row["success"]),
            f"{row['best']}, {_success(row['task'], row['best_success'])}",
            "yes" if row["is_best"] else "no",
            "yes" if row["within"] else "no",
        ]
        for row in frame.to_dict("records")
    ]
    heads = [
        "task",
        "who chooses",
        "arm",
        "success over training",
        "best arm",
        "is the best",
        "within the interval of the best",
    ]
    totals = [
        f"{choice}: the best arm in {part['is_best'].sum()} of {len(part)} tasks, within its "
        f"interval in {part['within'].sum()}"
        for choice, part in frame.groupby("choice", sort=False)
    ]
    return [
        "### Should I reset? What the advice before training was worth",
        "`drpo advise` looked at each task; the arm it names is held against the arm that had the "
        "highest success over all of training, of those that learn from episodes alone. Fitted to "
        "the other tasks: its lines were chosen anew without the task in question. `tldr` has no "
        "success, but a mean true score of 7. On `strict` and `tldr` DR-PO's reset probability "
        "alone differs, so that no arm stands for advice to reset by prompt.\n",
        writing.table(heads, rows),
        "; ".join(totals) + ".\n",
    ]


def _success(task: str, value: float) -> str:
    return f"{value:.2f}" if task == GRADED else f"{100 * value:.1f} %"


def _section(task: str, found: Sequence[courses.Course], beside: Path) -> list[str]:
    arms = courses.by_arm(found, task)
    if not arms:
        return []
    frame = tables.speed(arms, without=CONTROL)
    p_values = tables.corrected(arms, CONTROL)
    for label in ("end", "over"):
        frame[f"p_{label}"] = [p_values[arm].get(label) for arm in frame["arm"]]
    frame.to_csv(beside / f"{task}.csv", index=False)
    right = "share of held-out answers right"
    drawn = writing.draw_beside(arms, CONTROL, TITLES[task], right, beside / task)
    along = ("by episodes", "by tokens")
    pictures = [
        f"![{TITLES[task]}, {how}](study/{file.name})"
        for how, file in zip(along, drawn, strict=False)
    ]
    return [
        f"### {TITLES[task]} (`{task}`)",
        *(f"{picture}\n" for picture in pictures),
        _table(frame, p_values),
    ]


def _table(frame: pd.DataFrame, p_values: Mapping[str, Mapping[str, float | None]]) -> str:
    budgets = frame.get("budget", pd.Series(dtype=float)).dropna()
    budget = f"{budgets.iloc[0]:,.0f} tokens" if len(budgets) else "equal tokens"
    rows = [
        [
            str(row["arm"]),
            str(row["seeds"]),
            writing.of(row, "final", 100),
            writing.of(row, "at_budget", 100),
            f"{row['reached']} of {row['seeds']}",
            writing.of(row, "episodes"),
            writing.of(row, "against_none", 100),
            writing.p_value(p_values[row["arm"]].get("end")),
            writing.of(row, "over_against_none", 100),
            writing.p_value(p_values[row["arm"]].get("over")),
            writing.of(row, "budget_against_none", 100),
            f"{row['minutes']:.1f}",
        ]
        for row in frame.to_dict("records")
    ]
    heads = [
        "arm",
        "seeds",
        "success after all episodes, %",
        f"success after {budget}, %",
        f"reached half of the best, {100 * float(frame['level'].iloc[0]):.0f} %",
        "episodes to get there",
        "at equal episodes against no resets, points",
        "p",
        "over all of training against no resets, points",
        "p",
        "at equal tokens against no resets, points",
        "minutes a run",
    ]
    return writing.table(heads, rows)
