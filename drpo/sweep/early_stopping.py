"""Which cells are clearly worse and need not run to their end.

The rule, as the screen says it: at two evaluations in a row, after the first third of the cell's
updates, the cell's mean lies below the best cell's mean at the same step by more than `stop_margin`
standard errors of that difference. Both means are over two seeds at least: one seed's outcome may
be mere luck, and the evaluation's prompts tell nothing of that. So nothing is stopped while first
seeds run; what is saved is the rest of a bad cell's later ones. A plan of one seed a cell has no
better measure than the prompts. Cells without resets are the control and are never stopped: what
the sweep is for is the comparison with them. A cell of which a run was cut keeps no final mean,
since leaving out only the seeds that went badly would flatter it.
"""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from drpo.sweep.results import Board, Cell, Point

AFTER = 1 / 3
IN_A_ROW = 2
SEEDS = 2
"""Seeds that tell how much seeds differ."""


def clearly_worse(board: Board) -> dict[str, dict[str, Any]]:
    """Cells to stop now, by key, each with the step and the figures that decided it."""
    if not board.plan.early_stop:
        return {}
    stop: dict[str, dict[str, Any]] = {}
    means_at = functools.cache(lambda step: _means(board, step))
    for cell in board.cells:
        if cell.is_control or cell.dropped is not None or cell.state in ("done", "not run"):
            continue
        verdict = _verdict(board, cell, means_at)
        if verdict is not None:
            stop[cell.key] = verdict
    return stop


def _verdict(
    board: Board, cell: Cell, means_at: Callable[[int], Mapping[str, Point]]
) -> dict[str, Any] | None:
    updates = cell.values.get("updates", board.plan.base_config.ppo.updates)
    first = math.ceil(updates * AFTER)
    mine = {step for run in cell.runs for step in run.curve if step >= first}
    gaps = ((step, _gap(means_at(step), cell.key)) for step in sorted(mine, reverse=True))
    last = list(itertools.islice(((s, gap) for s, gap in gaps if gap is not None), IN_A_ROW))
    if len(last) < IN_A_ROW or any(gap.errors <= board.plan.stop_margin for _, gap in last):
        return None
    step, gap = last[0]
    return {"step": step, **gap._asdict()}


class Gap(NamedTuple):
    """How far a cell lies below the best other one at a step."""

    errors: float
    """In standard errors of the difference."""
    value: float
    best: float


def _gap(means: Mapping[str, Point], key: str) -> Gap | None:
    """How far a cell lies below the best other one; None where either has too few seeds."""
    others = [mean for other, mean in means.items() if other != key]
    if key not in means or not others:
        return None
    value, error = means[key]
    best, best_error = max(others, key=lambda point: point[0])
    noise = math.hypot(error, best_error)
    # Without a standard error nothing is clear.
    gap = (best - value) / noise if noise > 0 and math.isfinite(noise) else 0.0
    return Gap(gap, value, best)


def _means(board: Board, step: int) -> dict[str, Point]:
    """Every cell's mean with its standard error at a step, of those with enough seeds there."""
    enough = min(SEEDS, len(board.plan.seeds))
    told = {cell.key: cell.at(step) for cell in board.cells}
    spread = _spread(list(told.values()))
    return {key: _mean(points, spread) for key, points in told.items() if len(points) >= enough}


def _spread(cells: Sequence[Sequence[Point]]) -> float:
    """The standard deviation of seeds within cells, from all cells; 0 where none has two seeds.

    Two seeds of one cell alone may agree by luck.
    """
    several = [[value for value, _ in points] for points in cells if len(points) > 1]
    freedom = sum(len(values) - 1 for values in several)
    squares = sum((len(values) - 1) * statistics.variance(values) for values in several)
    return math.sqrt(squares / freedom) if freedom else 0.0


def _mean(points: Sequence[Point], spread: float) -> Point:
    """A cell's mean over seeds with its standard error: the largest of what is known of it.

    Args:
        points: What each seed's evaluation gave, with its error over the prompts.
        spread: The seeds' standard deviation in all cells.
    """
    values = [value for value, _ in points]
    errors = [error for _, error in points if math.isfinite(error)]
    of_prompts = math.sqrt(statistics.fmean(e * e for e in errors)) if errors else math.nan
    own = statistics.stdev(values) if len(values) > 1 else 0.0
    error = max((known for known in (own, spread, of_prompts) if known > 0), default=math.nan)
    return statistics.fmean(values), error / math.sqrt(len(values))
