"""Sweeps over a run nobody trains: what a worker would write, written by the tests."""

from drpo.config.run_config import RunConfig
from drpo.sweep import Axis, SweepPlan, advance, create

BASE = RunConfig.of(data="pairs.jsonl", policy="model", updates=30, eval_every=5)
GRID = (Axis(name="reset_prob", values=(0.5,)), Axis(name="kl_coef", values=(0.05, 0.2)))


def plan(**values):
    return SweepPlan.of(BASE, **{"axes": GRID, "seeds": (0, 1), **values})


def started(store, **values):
    return create(store, plan(**values), "test")


def finish(store, run_id, value, *, until=30, error=0.05, start=4.0):
    """Write what a worker writes: an evaluation every five updates, rising in a line."""
    for step in range(0, until + 1, 5):
        now = start + (value - start) * step / 30
        store.metrics.append(run_id, step, {"eval/gold": now, "eval/gold_se": error})
    status = "finished" if until == 30 else "running"
    store.runs.change(run_id, status=status, step=until, summary={"wall_seconds": 60.0})


def run_through(store, sweep_id, result):
    """Carry a sweep out with `result(values, seed)` as the outcome of each run; None fails it."""
    for _ in range(500):
        board = advance(store, sweep_id)
        if board.status != "running":
            return board
        for cell in board.cells:
            for run in cell.runs:
                if run.status == "queued":
                    value = result(cell.values, run.seed)
                    if value is None:
                        store.runs.change(run.id, status="failed", error="No room.")
                    else:
                        finish(store, run.id, value)
    raise AssertionError("the sweep does not end")


def by_values(board, **values):
    return next(c for c in board.cells if all(c.values[k] == v for k, v in values.items()))
