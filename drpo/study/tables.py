"""What the study's runs come to, as rows with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from drpo import metrics
from drpo.stats.crossed import CrossedMean, mean_over_seeds_and_prompts
from drpo.stats.intervals import Interval, mean_over_seeds, paired_difference
from drpo.stats.multiple import holm
from drpo.study.courses import Course, Floats, Part, by_arm, final, over_training


def reaches(course: Course, name: str, level: float, along: Floats) -> float | None:
    """Where a metric first reaches a level, read between evaluations; None: never.

    Args:
        course: The run.
        name: The metric.
        level: What it has to reach.
        along: What is counted, by evaluation: episodes, or tokens.
    """
    values = course.values[name]
    reached = np.flatnonzero(values >= level)
    if not len(reached):
        return None
    first = int(reached[0])
    if first == 0:
        return float(along[0])
    rise = values[first] - values[first - 1]
    way = (level - values[first - 1]) / rise if rise > 0 else 1.0
    return float(along[first - 1] + way * (along[first] - along[first - 1]))


def speed(
    arms: Mapping[str, Mapping[int, Course]],
    name: str = metrics.EVAL_GOLD,
    without: str = "p0",
) -> pd.DataFrame:
    """How fast and how far each arm gets, beside the arm without resets.

    Half of the best: half of the highest mean final rate of any arm. A run that never gets there
    counts with all its episodes, so the mean is a lower bound for arms with such runs.

    At equal tokens: after as many tokens as the thriftiest arm that learns from episodes wrote in
    all; an arm that writes more an episode has learned from fewer of them by then.

    Args:
        arms: By name, then by seed.
        name: The metric.
        without: The arm without resets.
    """
    half = max((_finals(seeds, name).mean() for seeds in arms.values()), default=0.0) / 2
    control = arms.get(without, {})
    alone = _counted(control, name, half)
    written = [
        tokens[-1] for seeds in arms.values() for tokens, _ in _writing(seeds, name).values()
    ]
    budget = min(written, default=None)
    rows = []
    for arm, seeds in arms.items():
        counted = _counted(seeds, name, half)
        both = sorted(set(counted) & set(alone))
        sooner = paired_difference(
            [alone[seed] for seed in both], [counted[seed] for seed in both]
        ).t
        rows.append(
            {
                "arm": arm,
                "seeds": len(seeds),
                "level": half,
                "reached": sum(
                    reaches(c, name, half, c.episodes) is not None for c in seeds.values()
                ),
                **_cells("episodes", mean_over_seeds(list(counted.values())), least=0.0),
                **_cells("sooner", sooner),
                **_cells("final", _mean(seeds, name, final).interval, least=0.0, most=1.0),
                **_cells("against_none", against(seeds, control, name), least=-1.0, most=1.0),
                **_cells(
                    "over_against_none",
                    against(seeds, control, name, over_training),
                    least=-1.0,
                    most=1.0,
                ),
                **_thrift(seeds, control, name, budget),
                "minutes": np.mean([course.seconds for course in seeds.values()]) / 60,
            }
        )
    return pd.DataFrame(rows)


def _writing(seeds: Mapping[int, Course], name: str) -> dict[int, tuple[Floats, Floats]]:
    """Tokens and a metric by evaluation, of the runs that learned from episodes and counted."""
    return {
        seed: (course.tokens, course.values[name])
        for seed, course in seeds.items()
        if course.tokens is not None and course.tokens[-1] > 0
    }


def _thrift(
    seeds: Mapping[int, Course], control: Mapping[int, Course], name: str, budget: float | None
) -> dict[str, float | None]:
    """Success after as many tokens as every arm wrote, and its difference to no resets."""
    if budget is None:
        return {}
    mine, other = (
        {
            seed: float(np.interp(budget, tokens, values))
            for seed, (tokens, values) in _writing(arm, name).items()
        }
        for arm in (seeds, control)
    )
    both = sorted(set(mine) & set(other))
    gap = paired_difference([mine[seed] for seed in both], [other[seed] for seed in both]).t
    return {
        "budget": budget,
        **_cells("at_budget", mean_over_seeds(list(mine.values())), least=0.0, most=1.0),
        **_cells("budget_against_none", gap, least=-1.0, most=1.0),
    }


def corrected(
    arms: Mapping[str, Mapping[int, Course]], without: str, name: str = metrics.EVAL_GOLD
) -> dict[str, dict[str, float | None]]:
    """P-values of every arm against the one without resets, corrected for all of them together.

    Both at the end and over the whole of training: two families of comparisons, each by Holm.
    """
    control = arms.get(without, {})
    others = [arm for arm in arms if arm != without]
    found: dict[str, dict[str, float | None]] = {arm: {} for arm in arms}
    for label, part in (("end", final), ("over", over_training)):
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
        for ending, part in (("", final), ("_over", over_training)):
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


def faulty(found: Sequence[Course], without: str) -> pd.DataFrame:
    """Resets into answers that are not all right, beside those into right ones and none.

    Args:
        found: All finished runs of the study.
        without: The ladder's arm without resets.
    """
    name, rows, p_values = metrics.EVAL_GOLD, [], []
    for arm, seeds in by_arm(found, "demonstrations").items():
        task, kind, method = arm.split("-")
        ladder = by_arm(found, task)
        none, right = ladder.get(without, {}), ladder.get(method, {})
        p_values.append(_paired(seeds, right, name, over_training).p_value)
        gaps = {
            "against_none": against(seeds, none, name),
            "over_against_none": against(seeds, none, name, over_training),
            "over_against_right": against(seeds, right, name, over_training),
        }
        rows.append(
            {
                "task": task,
                "arm": method,
                "shown": kind,
                "seeds": len(seeds),
                **_share("final", seeds),
                **{
                    part: value
                    for gap, interval in gaps.items()
                    for part, value in _cells(gap, interval, least=-1.0, most=1.0).items()
                },
            }
        )
    return pd.DataFrame(rows).assign(p=pd.Series(holm(p_values), dtype=float))


def against(
    seeds: Mapping[int, Course],
    control: Mapping[int, Course],
    name: str,
    part: Part = final,
) -> Interval:
    """Paired difference to another arm, over the seeds that both have and their prompts.

    Args:
        seeds: The arm.
        control: The other arm.
        name: A metric.
        part: What is compared of a course: its end, or the whole of training.
    """
    return _paired(seeds, control, name, part).interval


def _mean(seeds: Mapping[int, Course], name: str, part: Part) -> CrossedMean:
    """An arm's mean: over seeds and prompts where every answer is known, else over seeds."""
    table = _table(seeds, sorted(seeds), name, part)
    if table is not None:
        return mean_over_seeds_and_prompts(table)
    return CrossedMean(mean_over_seeds([float(part(c.values[name])) for c in seeds.values()]), None)


def _paired(
    seeds: Mapping[int, Course], control: Mapping[int, Course], name: str, part: Part
) -> CrossedMean:
    shared = sorted(set(seeds) & set(control))
    tables = [_table(arm, shared, name, part) for arm in (seeds, control)]
    if tables[0] is not None and tables[1] is not None and tables[0].shape == tables[1].shape:
        return mean_over_seeds_and_prompts(tables[0] - tables[1])
    treated, alone = (
        [float(part(arm[seed].values[name])) for seed in shared] for arm in (seeds, control)
    )
    found = paired_difference(treated, alone)
    return CrossedMean(found.t, found.p_value)


def _table(
    seeds: Mapping[int, Course], shared: Sequence[int], name: str, part: Part
) -> Floats | None:
    """What a part of each seed's course comes to, prompt by prompt; None where not all is known."""
    answers = [seeds[seed].answers for seed in shared]
    known = [part(one) for one in answers if one is not None]
    if name != metrics.EVAL_GOLD or not known or len(known) < len(answers):
        return None
    return np.stack(known) if len({len(one) for one in known}) == 1 else None


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
    constant: Sequence[Mapping[int, Course]], name: str, part: Part
) -> Mapping[int, Course]:
    """The arm with the higher mean."""
    return max(constant, key=lambda arm: np.mean([part(c.values[name]) for c in arm.values()]))


def _share(name: str, seeds: Mapping[int, Course]) -> dict[str, float | None]:
    return _cells(name, _mean(seeds, metrics.EVAL_GOLD, final).interval, least=0.0, most=1.0)


def _finals(seeds: Mapping[int, Course], name: str) -> Floats:
    finals = np.array([course.final(name) for course in seeds.values()], dtype=float)
    known: Floats = finals[~np.isnan(finals)]
    return known


def _counted(seeds: Mapping[int, Course], name: str, level: float) -> dict[int, float]:
    """Episodes until each seed reached a level; one that never did counts with all it had.

    Runs that draw no episodes at all, as SFT, have no place among them.
    """
    return {
        seed: _all_or(reaches(course, name, level, course.episodes), course.episodes)
        for seed, course in seeds.items()
        if course.episodes[-1] > 0
    }


def _all_or(reached: float | None, along: Floats) -> float:
    return float(along[-1]) if reached is None else reached


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
