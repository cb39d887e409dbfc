"""Write the study down: docs/study.md, its tables as CSV, its curves as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from drpo.store import Store
from drpo.study import courses, ladder_report, tables, writing
from drpo.study.execute import standing
from drpo.study.plan import PASSES, SEEDS, START_SEEDS, STARTS, STRICT, Planned

INTRODUCTION = """# Study: when do resets pay?

Written by `drpo study` (`make study`) from the runs in the store; nothing here is typed in by hand.
Raw figures of every evaluation are in [raw.csv](study/raw.csv), the tables in files beside it.
{standing}. {minutes:.0f} minutes of runs in all, up to two at a time.

The tasks are the sample material's, with models of up to 0.9 million parameters. Intervals are
95 %. Those of success and of the true score are over seeds and prompts at once: a run's answers to
all of its held-out prompts are kept, so that an interval says how other seeds and other prompts
would turn out (two-way clustered, Student's t with the smaller number). All others, and those of
runs that kept fewer answers, are over seeds alone. Differences are paired, by seed and by prompt.
Over five seeds an interval is 5.6 standard errors wide. Each stands for itself: of twenty arms that
change nothing one leaves out 0 by chance; where p-values are given they are corrected for that. All
runs meet the same held-out prompts with the same sampling noise. Small tasks with a known true
reward show what the method does, not how large its effect is on a language model in use.
"""


def write(store: Store, planned: Sequence[Planned], folder: Path) -> Path:
    """Write the report and everything beside it; experiments without runs are left out.

    Args:
        store: Where the runs are.
        planned: The study.
        folder: Where `study.md` and the folder `study/` go.

    Returns:
        The report's path.
    """
    beside = folder / "study"
    beside.mkdir(parents=True, exist_ok=True)
    found = courses.courses(store, planned)
    courses.raw(found).to_csv(beside / "raw.csv", index=False)
    minutes = sum(course.seconds for course in found) / 60
    said = standing(store, planned).text("en").capitalize()
    parts = [
        INTRODUCTION.format(standing=f"Runs: {said}", minutes=minutes),
    ]
    strict, graded = courses.by_arm(found, "strict"), courses.by_arm(found, "tldr")
    parts += _strict(strict, beside)
    parts += _passes(courses.by_arm(found, "passes"), beside)
    parts += _start(found, beside)
    parts += _graded(graded, beside)
    parts += _methods(graded, courses.by_arm(found, "methods"), beside)
    parts += ladder_report.sections(found, beside)
    parts += ladder_report.advice(store, found, beside)
    path = folder / "study.md"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _strict(arms: writing.Arms, beside: Path) -> list[str]:
    if not arms:
        return []
    frame = tables.speed(arms)
    frame.to_csv(beside / "strict.csv", index=False)
    writing.draw(
        arms, "All facts right", "share of held-out answers, all facts right", beside / "strict"
    )
    return [
        "## 1. All-or-nothing reward, start success 1 %",
        f"Reward 1 only when every fact is right, given by the true score; {SEEDS} seeds planned, "
        f"{STRICT['updates']} updates, {_passes_made(STRICT['num_ppo_epochs'])} over each one's "
        "episodes. A run that never reached half of the best counts with all its episodes, so the "
        "gain in speed is a lower bound where that run is the control. Intervals of shares end at "
        "0 and 100 %, those of their differences at -100 and 100 points.\n",
        "![Success over episodes](study/strict.svg)\n",
        _speed_table(frame),
    ]


def _passes(arms: writing.Arms, beside: Path) -> list[str]:
    if not arms:
        return []
    frame = tables.speed(arms)
    frame.to_csv(beside / "passes.csv", index=False)
    return [
        f"### The same with {_passes_made(PASSES)}",
        f"The default of the library; {START_SEEDS} seeds planned. Each update goes further, with "
        "and without resets.\n",
        _speed_table(frame),
    ]


def _passes_made(count: int) -> str:
    return f"{count} pass" if count == 1 else f"{count} passes"


def _speed_table(frame: pd.DataFrame) -> str:
    level = 100 * float(frame["level"].iloc[0])
    rows = [
        [
            writing.LABELS[row["arm"]],
            writing.of(row, "final", 100),
            f"{row['reached']} of {row['seeds']}",
            writing.of(row, "episodes"),
            writing.of(row, "sooner"),
            writing.verdict(row, "sooner"),
            writing.of(row, "against_none", 100),
            writing.verdict(row, "against_none"),
            f"{row['minutes']:.1f}",
        ]
        for row in frame.to_dict("records")
    ]
    heads = [
        "arm",
        "final success, %",
        f"seeds that reached half of the best, {level:.0f} %",
        "episodes to get there",
        "episodes sooner than no resets",
        "verdict on speed",
        "final against no resets, points",
        "verdict on the end",
        "minutes a run",
    ]
    return writing.table(heads, rows)


def _start(found: Sequence[courses.Course], beside: Path) -> list[str]:
    frame = tables.start_line(found, STARTS)
    if frame.empty:
        return []
    frame.to_csv(beside / "start.csv", index=False)
    names = (
        "none",
        "resets",
        "annealed",
        "resets_gain",
        "resets_gain_over",
        "annealed_gain",
        "annealed_gain_over",
    )
    records = frame.to_dict("records")
    rows = [
        [
            f"{100 * row['start']:g}",
            f"{100 * row['measured']:.2f}",
            str(row["seeds"]),
            *(writing.of(row, name, 100) for name in names),
            f"{row['minutes']:.1f}",
        ]
        for row in records
    ]
    heads = [
        "start success asked for, %",
        "found at update 0, %",
        "seeds",
        "no resets, final %",
        "resets .5, final %",
        "annealed, final %",
        "resets against none at the end, points",
        "resets against none over all of training, points",
        "annealed against the better one at the end, points",
        "annealed against the better one over all of training, points",
        "minutes a run",
    ]
    return [
        "## 2. Where the line lies",
        f"The same reward from start policies of other success; {START_SEEDS} seeds planned "
        f"({SEEDS} of the sample's own start policy). Annealing lets the reset probability fall as "
        "reward from the bare prompt catches up. It is held against whichever constant arm came "
        "out better, which favours that arm. Over all of training: the mean of all evaluations, "
        "so what comes sooner counts for more.\n",
        writing.table(heads, rows),
        _worse(records, "annealed_gain", "at the end"),
        _worse(records, "annealed_gain_over", "over all of training"),
    ]


def _worse(records: Sequence[Mapping[Any, Any]], name: str, when: str) -> str:
    """Say where annealing falls behind the better constant arm."""
    highs = [math.nan if (high := row[f"{name}_high"]) is None else high for row in records]
    if all(map(math.isnan, highs)):
        return f"Whether annealing is worse {when} than a constant arm is not known yet.\n"
    worse = [row for row, high in zip(records, highs, strict=True) if high < 0]
    if not worse:
        return (
            f"Nowhere is annealing worse {when} than the better constant arm beyond its interval; "
            "intervals as wide as these do not prove that it never is.\n"
        )
    starts = ", ".join(f"{100 * row['start']:g} %" for row in worse)
    return (
        f"Annealing is worse {when} than the better constant arm, beyond its interval, from a "
        f"start of {starts}.\n"
    )


def _graded(arms: writing.Arms, beside: Path) -> list[str]:
    if not arms:
        return []
    frame = tables.outcome(arms, "p0")
    frame.to_csv(beside / "graded.csv", index=False)
    writing.draw(
        arms, "Facts right, of seven", "mean true score of held-out answers", beside / "graded"
    )
    return [
        "## 3. Graded reward learned from pairs: the reset proportion",
        "In the shape of the paper's Table 2: answers held against the data's chosen ones, learned "
        "score, KL to the start policy.\n",
        "![Gold score over episodes](study/graded.svg)\n",
        _outcome_table(frame, "gold against no resets", ("helps", "hurts")),
    ]


def _methods(graded: writing.Arms, tuned: writing.Arms, beside: Path) -> list[str]:
    if not tuned:
        return []
    arms = {**tuned, **{arm: graded[arm] for arm in ("p0", "p0.5") if arm in graded}}
    frame = tables.outcome(arms, "p0")
    frame.to_csv(beside / "methods.csv", index=False)
    frame["arm"] = frame["arm"].map(lambda arm: {"p0": "PPO", "p0.5": "DR-PO"}.get(arm, arm))
    return [
        "## 4. Methods on the same footing",
        "In the shape of the paper's Table 1; PPO and DR-PO are the runs of section 3 with reset "
        "probability 0 and .5.\n",
        _outcome_table(frame, "gold against PPO", ("higher", "lower")),
    ]


def _outcome_table(frame: pd.DataFrame, gain: str, words: tuple[str, str]) -> str:
    rows = [
        [
            writing.LABELS.get(row["arm"], row["arm"]),
            str(row["seeds"]),
            writing.of(row, "win_gold", 100),
            writing.of(row, "win_reward_model", 100),
            writing.of(row, "scores"),
            writing.of(row, "gold"),
            writing.of(row, "kl"),
            writing.of(row, "gold_gain"),
            writing.verdict(row, "gold_gain", words),
            f"{row['minutes']:.1f}",
        ]
        for row in frame.to_dict("records")
    ]
    heads = [
        "arm",
        "seeds",
        "win % (gold)",
        "win % (reward model)",
        "RM score",
        "gold",
        "KL, nats",
        gain,
        "verdict",
        "minutes a run",
    ]
    return writing.table(heads, rows)
