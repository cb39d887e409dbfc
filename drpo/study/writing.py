"""How the study's report is put into words: figures with intervals, verdicts, tables, curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drpo import metrics
from drpo.study import courses
from drpo.study.courses import Floats
from drpo.study.svg_curves import curve, figure

LABELS = {
    "p0": "no resets",
    "p0.25": "resets .25",
    "p0.5": "resets .5",
    "p0.75": "resets .75",
    "p1": "resets 1",
    "annealed": "annealed from .5",
    "sft": "SFT",
    "dpo": "DPO",
}
Arms = Mapping[str, Mapping[int, courses.Course]]


def draw(arms: Arms, title: str, y_title: str, path: Path) -> None:
    """Draw the gold score of every arm over episodes."""
    along = {
        arm: [course.episodes for course in seeds.values()]
        for arm, seeds in arms.items()
        if any(course.episodes[-1] > 0 for course in seeds.values())
    }
    _draw(arms, along, (title, "episodes; bands are one standard error", y_title), path)


def draw_by_tokens(arms: Arms, title: str, y_title: str, path: Path) -> bool:
    """Draw it over the tokens that the policy wrote; False where no run counted them."""
    along = {}
    for arm, seeds in arms.items():
        written = [course.tokens for course in seeds.values() if course.tokens is not None]
        if written and len(written) == len(seeds) and written[0][-1] > 0:
            # Seeds write a few tokens more or less: each evaluation stands at their mean.
            along[arm] = [np.mean(written, axis=0)] * len(seeds)
    if along:
        _draw(arms, along, (title, "tokens written by the policy", y_title), path)
    return bool(along)


def _draw(
    arms: Arms, along: Mapping[str, Sequence[Floats]], titles: tuple[str, str, str], path: Path
) -> None:
    curves = [
        curve(
            LABELS.get(arm, arm),
            x,
            [course.values[metrics.EVAL_GOLD] for course in arms[arm].values()],
        )
        for arm, x in along.items()
    ]
    path.with_suffix(".svg").write_text(figure(*titles, curves), encoding="utf-8")


def of(row: Mapping[Any, Any], name: str, scale: float = 1.0) -> str:
    """A figure with its interval, as `58.2 (51.0 to 65.4)`."""
    value, low, high = (row.get(part) for part in (name, f"{name}_low", f"{name}_high"))
    if value is None or math.isnan(value):
        return "–"
    if low is None or high is None or math.isnan(low):
        return f"{_number(scale * value)} (no interval)"
    return f"{_number(scale * value)} ({_number(scale * low)} to {_number(scale * high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def verdict(row: Mapping[Any, Any], name: str, words: tuple[str, str] = ("helps", "hurts")) -> str:
    """What the interval of a difference allows to say; `words` for above and below 0."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if row.get("arm") in ("p0", "PPO"):
        return "the control"
    if low is None or high is None or math.isnan(low):
        return "no interval"
    if low > 0:
        return words[0]
    return words[1] if high < 0 else "not decided"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, ""])


def p_value(p: float | None) -> str:
    """A corrected p-value; a dash where there is none to give."""
    return "–" if p is None else "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0")
