"""What the study's runs come to, as rows with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drpo import metrics
from drpo.config.methods import UPDATING
from drpo.evaluation.storage import evaluation_of
from drpo.stats.intervals import (
    Interval,
    PairedDifference,
    mean_over_seeds,
    paired_difference,
)
from drpo.stats.multiple import holm
from drpo.store import Store
from drpo.study.execute import run_of
from drpo.study.plan import Planned

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """One finished run's evaluations."""

    planned: Planned
    run_id: str
    episodes: Floats
    """Episodes seen at each evaluation."""
    values: Mapping[str, Floats]
    seconds: float
    win_rates: Mapping[str, float]
    """Share won against the chosen answers, by judge, as `drpo eval` found it."""

    def final(self, name: str) -> float:
        """The last value of a metric; NaN where it was never logged."""
        values = self.values.get(name)
        return float(values[-1]) if values is not None and len(values) else float("nan")

    def over_training(self, name: str) -> float:
        """Mean over all evaluations after the start: rewards being early as well as good."""
        return float(self.values[name][1:].mean())


def courses(store: Store, planned: Sequence[Planned]) -> list[Course]:
    """Read all finished runs of a plan."""
    found = []
    for one in planned:
        run = run_of(store, one)
        if run is None or run.status != "finished":
            continue
        frame = store.metrics.since(run.id, names=metrics.MEASURED)
        table = frame.pivot_table(index="step", columns="name", values="value", aggfunc="last")
        steps = table.index.to_numpy(dtype=float)
        values = {str(name): table[name].to_numpy(dtype=float) for name in table.columns}
        updated = run.config["run"]["method"] in UPDATING
        # The others file their trained policy as step 1 and draw no episodes at all.
        per_update = run.config["ppo"]["episodes_per_update"] if updated else 0
        seconds = float(run.summary.get("wall_seconds", 0.0))
        rates = _win_rates(store, run.id, int(steps[-1]) if len(steps) else 0)
        found.append(Course(one, run.id, steps * per_update, values, seconds, rates))
    return found


def by_arm(found: Sequence[Course], experiment: str) -> dict[str, dict[int, Course]]:
    """Group runs of an experiment: arm, then seed."""
    arms: dict[str, dict[int, Course]] = {}
    for course in found:
        if course.planned.experiment == experiment:
            arms.setdefault(course.planned.arm, {})[course.planned.seed] = course
    return arms


def episodes_to(course: Course, name: str, level: float) -> float | None:
    """Episodes until a metric first reaches a level, read between evaluations; None: never."""
    values, episodes = course.values[name], course.episodes
    reached = np.flatnonzero(values >= level)
    if not len(reached):
        return None
    first = int(reached[0])
    if first == 0:
        return float(episodes[0])
    rise = values[first] - values[first - 1]
    way = (level - values[first - 1]) / rise if rise > 0 else 1.0
    return float(episodes[first - 1] + way * (episodes[first] - episodes[first - 1]))


def speed(
    arms: Mapping[str, Mapping[int, Course]],
    name: str = metrics.EVAL_GOLD,
    without: str = "p0",
) -> pd.DataFrame:
    """How fast and how far each arm gets, beside the arm without resets.

    Half of the best: half of the highest mean final rate of any arm. A run that never gets there
    counts with all its episodes, so the mean is a lower bound for arms with such runs.

    Args:
        arms: By name, then by seed.
        name: The metric.
        without: The arm without resets.
    """
    half = max((_finals(seeds, name).mean() for seeds in arms.values()), default=0.0) / 2
    control = arms.get(without, {})
    alone = _counted(control, name, half)
    rows = []
    for arm, seeds in arms.items():
        counted = _counted(seeds, name, half)
        both = sorted(set(counted) & set(alone))
        rows.append(
            {
                "arm": arm,
                "seeds": len(seeds),
                "level": half,
                "reached": sum(episodes_to(c, name, half) is not None for c in seeds.values()),
                **_cells("episodes", mean_over_seeds(list(counted.values())), least=0.0),
                **_cells(
                    "sooner",
                    paired_difference(
                        [alone[seed] for seed in both], [counted[seed] for seed in both]
                    ).t,
                ),
                **_cells("final", mean_over_seeds(_finals(seeds, name)), least=0.0, most=1.0),
                **_cells("against_none", against(seeds, control, name), least=-1.0, most=1.0),
                "minutes": np.mean([course.seconds for course in seeds.values()]) / 60,
            }
        )
    return pd.DataFrame(rows)


def corrected(
    arms: Mapping[str, Mapping[int, Course]], without: str, name: str = metrics.EVAL_GOLD
) -> dict[str, dict[str, float | None]]:
    """P-values of every arm against the one without resets, corrected for all of them together.

    Both at the end and over the whole of training: two families of comparisons, each by Holm.
    """
    control = arms.get(without, {})
    others = [arm for arm in arms if arm != without]
    found: dict[str, dict[str, float | None]] = {arm: {} for arm in arms}
    for label, part in (("end", Course.final), ("over", Course.over_training)):
        p_values = [_paired(arms[arm], control, name, part).p_value for arm in others]
        for arm, p_value in zip(others, holm(p_values), strict=True):
            found[arm][label] = p_value
    return found


def outcome(arms: Mapping[str, Mapping[int, Course]], control: str) -> pd.DataFrame:
    """Win rate against the chosen answers, score, gold and KL of each arm, as in the paper."""
    rows = []
    for arm, seeds in arms.items():
        cells: dict[str, Any] = {"arm": arm, "seeds": len(seeds)}
        for judge in ("gold", "reward_model"):
            rates = [c.win_rates[judge] for c in seeds.values() if judge in c.win_rates]
            cells |= _cells(f"win_{judge}", mean_over_seeds(rates), least=0.0, most=1.0)
        for name in (*metrics.REWARDS, metrics.EVAL_KL):
            cells |= _cells(metrics.short(name), mean_over_seeds(_finals(seeds, name)))
        cells |= _cells("gold_gain", against(seeds, arms.get(control, {}), metrics.EVAL_GOLD))
        cells["minutes"] = np.mean([course.seconds for course in seeds.values()]) / 60
        rows.append(cells)
    return pd.DataFrame(rows)


def start_line(found: Sequence[Course], starts: Sequence[float]) -> pd.DataFrame:
    """With and without resets, and annealed, by the start policy's success.

    Differences are paired by seed: to no resets, and of annealing to the better of the two
    constant arms on the same start, both at the end and over the whole of training.
    """
    name, rows = metrics.EVAL_GOLD, []
    for success in starts:
        arms = _arms_at(found, success)
        constant = [arms[arm] for arm in ("p0", "p0.5") if arms.get(arm)]
        if len(constant) < 2:
            continue
        annealed = arms.get("annealed", {})
        gains: dict[str, float | None] = {}
        for ending, part in (("", Course.final), ("_over", Course.over_training)):
            better = _better(constant, name, part)
            resets_gain = against(constant[1], constant[0], name, part)
            annealed_gain = against(annealed, better, name, part)
            gains |= _cells(f"resets_gain{ending}", resets_gain, least=-1.0, most=1.0)
            gains |= _cells(f"annealed_gain{ending}", annealed_gain, least=-1.0, most=1.0)
        rows.append(
            {
                "start": success,
                "seeds": len(constant[0]),
                # The same policy, prompts and draws for every seed: a figure without an interval.
                "measured": next(iter(constant[0].values())).values[name][0],
                **_share("none", constant[0]),
                **_share("resets", constant[1]),
                **_share("annealed", annealed),
                **gains,
                "minutes": np.mean(
                    [course.seconds for arm in (*constant, annealed) for course in arm.values()]
                )
                / 60,
            }
        )
    return pd.DataFrame(rows)


def against(
    seeds: Mapping[int, Course],
    control: Mapping[int, Course],
    name: str,
    part: Callable[[Course, str], float] = Course.final,
) -> Interval:
    """Paired difference to another arm, over the seeds that both have.

    Args:
        seeds: The arm.
        control: The other arm.
        name: A metric.
        part: What is compared of a course: its end, or the whole of training.
    """
    return _paired(seeds, control, name, part).t


def _paired(
    seeds: Mapping[int, Course],
    control: Mapping[int, Course],
    name: str,
    part: Callable[[Course, str], float],
) -> PairedDifference:
    shared = sorted(set(seeds) & set(control))
    return paired_difference(
        [part(seeds[seed], name) for seed in shared],
        [part(control[seed], name) for seed in shared],
    )


def raw(found: Sequence[Course]) -> pd.DataFrame:
    """Every evaluation of every run, one row each."""
    rows = [
        {
            "experiment": course.planned.experiment,
            "arm": course.planned.arm,
            "seed": course.planned.seed,
            "run": course.run_id,
            "episodes": int(episodes),
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


def _arms_at(found: Sequence[Course], success: float) -> dict[str, dict[int, Course]]:
    if success == 0.01:
        return by_arm(found, "strict")
    prefix = f"{success:g}-"
    return {
        arm.removeprefix(prefix): seeds
        for arm, seeds in by_arm(found, "start").items()
        if arm.startswith(prefix)
    }


def _better(
    constant: Sequence[Mapping[int, Course]], name: str, part: Callable[[Course, str], float]
) -> Mapping[int, Course]:
    """The arm with the higher mean."""
    return max(constant, key=lambda arm: np.mean([part(c, name) for c in arm.values()]))


def _share(name: str, seeds: Mapping[int, Course]) -> dict[str, float | None]:
    return _cells(name, mean_over_seeds(_finals(seeds, metrics.EVAL_GOLD)), least=0.0, most=1.0)


def _finals(seeds: Mapping[int, Course], name: str) -> Floats:
    finals = np.array([course.final(name) for course in seeds.values()], dtype=float)
    known: Floats = finals[~np.isnan(finals)]
    return known


def _counted(seeds: Mapping[int, Course], name: str, level: float) -> dict[int, float]:
    """Episodes until each seed reached a level; one that never did counts with all it had.

    Runs that draw no episodes at all, as SFT, have no place among them.
    """
    return {
        seed: float(course.episodes[-1] if (at := episodes_to(course, name, level)) is None else at)
        for seed, course in seeds.items()
        if course.episodes[-1] > 0
    }


def _cells(
    name: str, interval: Interval, *, least: float | None = None, most: float | None = None
) -> dict[str, float | None]:
    """A figure with its interval, cut where the figure cannot go: a share beyond 0 or 1."""
    low, high = interval.low, interval.high
    return {
        name: interval.value,
        f"{name}_low": low if low is None or least is None else max(low, least),
        f"{name}_high": high if high is None or most is None else min(high, most),
    }


def _win_rates(store: Store, run_id: str, step: int) -> dict[str, float]:
    body = evaluation_of(store, run_id, step) or {}
    return {
        rate["judge"]: rate["value"]
        for rate in body.get("win_rates", ())
        if rate["against"] == "chosen" and rate["value"] is not None
    }
