"""The study's finished runs as courses: what each came to, evaluation by evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drpo import metrics
from drpo.config.methods import UPDATING
from drpo.evaluation.storage import evaluation_of
from drpo.store import Store
from drpo.study.execute import run_of
from drpo.study.plan import Planned

Floats = NDArray[np.float64]
Part = Callable[[Floats], Floats]
"""What is compared of a course, along its evaluations."""


def final(values: Floats) -> Floats:
    """The last evaluation."""
    last: Floats = values[-1]
    return last


def over_training(values: Floats) -> Floats:
    """Mean over all evaluations after the start: rewards being early as well as good."""
    mean: Floats = values[1:].mean(axis=0)
    return mean


@dataclass(frozen=True)
class Course:
    """One finished run's evaluations."""

    planned: Planned
    run_id: str
    episodes: Floats
    """Episodes learned from at each evaluation."""
    values: Mapping[str, Floats]
    seconds: float
    win_rates: Mapping[str, float]
    """Share won against the chosen answers, by judge, as `drpo eval` found it."""
    tokens: Floats | None = None
    """Tokens that the policy had written by each evaluation; None in runs that did not count."""
    answers: Floats | None = None
    """Gold score of each answer, one row an evaluation, one column a held-out prompt; None where
    not all were kept."""

    def final(self, name: str) -> float:
        """The last value of a metric; NaN where it was never logged."""
        values = self.values.get(name)
        return float(values[-1]) if values is not None and len(values) else float("nan")


def courses(store: Store, planned: Sequence[Planned]) -> list[Course]:
    """Read all finished runs of a plan."""
    found = []
    for one in planned:
        run = run_of(store, one)
        if run is None or run.status != "finished":
            continue
        frame = store.metrics.since(run.id, names=(*metrics.MEASURED, metrics.NUM_TOKENS))
        table = frame.pivot_table(index="step", columns="name", values="value", aggfunc="last")
        written = table.pop(metrics.NUM_TOKENS) if metrics.NUM_TOKENS in table else None
        table = table.dropna(how="all")
        steps = table.index.to_numpy(dtype=float)
        values = {str(name): table[name].to_numpy(dtype=float) for name in table.columns}
        updated = run.config["run"]["method"] in UPDATING
        # The others file their trained policy as step 1 and draw no episodes at all.
        per_update = run.config["ppo"]["episodes_per_update"] if updated else 0
        found.append(
            Course(
                one,
                run.id,
                steps * per_update,
                values,
                float(run.summary.get("wall_seconds", 0.0)),
                _win_rates(store, run.id, int(steps[-1]) if len(steps) else 0),
                None if written is None else _at(steps, written),
                _answers(store, run.id, steps),
            )
        )
    return found


def _at(steps: Floats, written: pd.Series[float]) -> Floats:
    """Tokens by evaluation; before the first update those drawn before it, which most runs lack."""
    known = written.dropna()
    return np.array([float(known.get(step, 0.0)) for step in steps])


def _answers(store: Store, run_id: str, steps: Floats) -> Floats | None:
    """Gold scores by evaluation and prompt, where every evaluation kept those of all prompts."""
    frame = store.samples.frame(run_id, kind="heldout", columns=("step", "item", "gold"))
    if frame.empty:
        return None
    table = frame.pivot_table(index="step", columns="item", values="gold", aggfunc="last")
    counted = store.metrics.since(run_id, names=(metrics.EVAL_PROMPTS,))["value"]
    whole = counted.empty or table.shape[1] == int(counted.max())
    if not whole or len(table) != len(steps) or table.isna().to_numpy().any():
        return None
    return table.to_numpy(dtype=float)


def by_arm(found: Sequence[Course], experiment: str) -> dict[str, dict[int, Course]]:
    """Group runs of an experiment: arm, then seed."""
    arms: dict[str, dict[int, Course]] = {}
    for course in found:
        if course.planned.experiment == experiment:
            arms.setdefault(course.planned.arm, {})[course.planned.seed] = course
    return arms


def raw(found: Sequence[Course]) -> pd.DataFrame:
    """Every evaluation of every run, one row each."""
    rows = [
        {
            "experiment": course.planned.experiment,
            "arm": course.planned.arm,
            "seed": course.planned.seed,
            "run": course.run_id,
            "episodes": int(episodes),
            **({} if course.tokens is None else {"tokens": int(course.tokens[at])}),
            **{metrics.short(name): values[at] for name, values in course.values.items()},
            # Of the whole run, so beside its last evaluation only.
            **(_whole(course) if at == len(course.episodes) - 1 else {}),
        }
        for course in found
        for at, episodes in enumerate(course.episodes)
    ]
    return pd.DataFrame(rows)


def _whole(course: Course) -> dict[str, float]:
    wins = {f"win_{judge}": rate for judge, rate in course.win_rates.items()}
    return {"seconds": course.seconds, **wins}


def _win_rates(store: Store, run_id: str, step: int) -> dict[str, float]:
    body = evaluation_of(store, run_id, step) or {}
    return {
        rate["judge"]: rate["value"]
        for rate in body.get("win_rates", ())
        if rate["against"] == "chosen" and rate["value"] is not None
    }
