"""Which cells are clearly worse and need not run to their end.

The rule, as the screen says it: at two evaluations in a row, after the first third of the updates,
the cell's mean lies below the best cell's mean at the same step by more than `stop_margin` standard
errors of that difference. Cells without resets are the control and are never stopped: what the
sweep is for is the comparison with them. A stopped cell keeps no final mean, since dropping only
the seeds that went badly would flatter those that are left.
"""

from __future__ import annotations

import math
from typing import Any

from drpo.sweep.board import Board, Cell

AFTER = 1 / 3
IN_A_ROW = 2


def clearly_worse(board: Board) -> dict[str, dict[str, Any]]:
    """Cells to stop now, by key, each with the step and the figures that decided it."""
    if not board.plan.early_stop:
        return {}
    stop: dict[str, dict[str, Any]] = {}
    for cell in board.cells:
        if cell.is_control or cell.dropped is not None or cell.state in ("done", "not run"):
            continue
        verdict = _verdict(board, cell)
        if verdict is not None:
            stop[cell.key] = verdict
    return stop


def _verdict(board: Board, cell: Cell) -> dict[str, Any] | None:
    first = math.ceil(board.plan.base_config.ppo.updates * AFTER)
    mine = {step for run in cell.runs for step in run.curve if step >= first}
    others = [one for one in board.cells if one.key != cell.key]
    shared = sorted(step for step in mine if any(one.at(step) is not None for one in others))
    if len(shared) < IN_A_ROW:
        return None
    gaps = [_gap(cell, others, step) for step in shared[-IN_A_ROW:]]
    if any(gap <= board.plan.stop_margin for gap, _, _ in gaps):
        return None
    gap, value, best = gaps[-1]
    return {"step": shared[-1], "value": value, "best": best, "errors": gap}


def _gap(cell: Cell, others: list[Cell], step: int) -> tuple[float, float, float]:
    """How many standard errors a cell lies below the best other one at a step."""
    value, error = cell.at(step) or (math.nan, math.nan)
    best, best_error = max(
        (point for one in others if (point := one.at(step)) is not None), key=lambda p: p[0]
    )
    noise = math.hypot(error, best_error)
    # Without a standard error nothing is clear.
    gap = (best - value) / noise if noise > 0 and math.isfinite(noise) else 0.0
    return gap, value, best
