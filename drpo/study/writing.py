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
from drpo.study.svg_curves import Curve, curve, figure, panels

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
    curves = [_curve(LABELS.get(arm, arm), seeds, _episodes(seeds)) for arm, seeds in arms.items()]
    drawn = figure(title, "episodes; bands are one standard error", y_title, curves)
    path.with_suffix(".svg").write_text(drawn, encoding="utf-8")


def draw_beside(arms: Arms, control: str, title: str, y_title: str, path: Path) -> list[Path]:
    """Draw every arm that learns from episodes beside the control, by episodes and by tokens.

    Returns:
        The pictures; by tokens only where every run counted them.
    """
    learning = {arm: seeds for arm, seeds in arms.items() if _episodes(seeds)[0][-1] > 0}
    if control not in learning or len(learning) < 2:
        return []
    drawn = [path.with_suffix(".svg")]
    ways = {"episodes": {arm: _episodes(seeds) for arm, seeds in learning.items()}}
    tokens = {arm: _tokens(seeds) for arm, seeds in learning.items()}
    if all(len(found) for found in tokens.values()):
        ways["tokens written"] = tokens
        drawn.append(path.with_name(f"{path.name}-tokens.svg"))
    for file, (x_title, along) in zip(drawn, ways.items(), strict=True):
        curves = {arm: _curve(arm, seeds, along[arm]) for arm, seeds in learning.items()}
        first = curves.pop(control)
        text = panels(title, x_title, y_title, first, list(curves.values()))
        file.write_text(text, encoding="utf-8")
    return drawn


def _curve(label: str, seeds: Mapping[int, courses.Course], along: Sequence[Floats]) -> Curve:
    return curve(label, along, [course.values[metrics.EVAL_GOLD] for course in seeds.values()])


def _episodes(seeds: Mapping[int, courses.Course]) -> list[Floats]:
    return [course.episodes for course in seeds.values()]


def _tokens(seeds: Mapping[int, courses.Course]) -> list[Floats]:
    """Tokens by evaluation; seeds write a few more or less, so each stands at their mean."""
    written = [course.tokens for course in seeds.values() if course.tokens is not None]
    return [np.mean(written, axis=0)] * len(seeds) if len(written) == len(seeds) else []


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
