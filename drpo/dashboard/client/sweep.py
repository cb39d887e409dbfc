"""Sweeps: plan one, start it, follow it, and queue what is missing."""

from __future__ import annotations

from drpo.dashboard.client.access import asks
from drpo.dashboard.client.store import see_that_inputs_are_allowed, store
from drpo.runs import preflight
from drpo.sweep import Axis, Board, Cell, SweepPlan, create, deleting, engine
from drpo.sweep.plan import NOT_AXES, parse_seeds
from drpo.sweep.results import ENDED, SweepRun
from drpo.sweep.search import importance

__all__ = [
    "ENDED",
    "NOT_AXES",
    "Axis",
    "Board",
    "Cell",
    "SweepPlan",
    "SweepRun",
    "board_of",
    "delete",
    "every",
    "importance",
    "parse_seeds",
    "queue_cell",
    "restore",
    "resume",
    "start",
    "stop",
]


def _together(sweep_id: str, _who: str) -> int:
    """How many runs a sweep keeps going."""
    return board_of(sweep_id).plan.together


def _missing(sweep_id: str, key: str, _who: str) -> int:
    """How many seeds of a cell have no result and are not on their way."""
    board = board_of(sweep_id)
    settled = next((cell.settled_seeds for cell in board.cells if cell.key == key), ())
    return sum(seed not in settled for seed in board.plan.seeds)


def every(*, deleted: bool = False) -> dict[str, str]:
    """What sweeps are called, by id, newest first: those that are here, or those deleted."""
    found = deleting.listed(store(), deleted=deleted)
    return {sweep.id: f"{sweep.name} · {sweep.id[-4:]}" for sweep in found}


@asks("delete")
def delete(sweep_id: str) -> None:
    """Take a sweep out of the list; see `deleting.delete`."""
    deleting.delete(store(), sweep_id)


@asks("delete")
def restore(sweep_id: str) -> None:
    """Bring a deleted sweep back."""
    deleting.restore(store(), sweep_id)


def board_of(sweep_id: str) -> Board:
    """A sweep as it stands now."""
    return Board.read(store(), sweep_id)


@asks("launch", what=lambda _plan, name: name, made=str, runs=lambda plan, _name: plan.together)
def start(plan: SweepPlan, name: str) -> str:
    """Check what the runs share, write a sweep down and queue its first runs; returns its id.

    Raises:
        DrpoError: Something is wrong; nothing was queued.
    """
    see_that_inputs_are_allowed(plan.base_config.flat())
    see_that_inputs_are_allowed({axis.name: axis.values for axis in plan.axes})
    preflight.check(plan.base_config, store())
    sweep_id = create(store(), plan, name)
    engine.advance(store(), sweep_id)
    return sweep_id


@asks("stop")
def stop(sweep_id: str, who: str) -> None:
    """Stop a sweep and its runs; see `engine.stop`."""
    engine.stop(store(), sweep_id, who)


@asks("resume", runs=_together)
def resume(sweep_id: str, who: str) -> None:
    """Let a stopped sweep go on; see `engine.resume`."""
    engine.resume(store(), sweep_id, who)


@asks("launch", runs=_missing)
def queue_cell(sweep_id: str, key: str, who: str) -> list[int]:
    """Queue what a cell lacks; returns the seeds. See `engine.queue_cell`."""
    return engine.queue_cell(store(), sweep_id, key, who)
