"""Carry a sweep out: look at where it stands, and do the next thing.

`advance` is called again and again by whoever supervises, and may be called by two at once: what
to do follows from the store alone, and a run's id follows from its cell and seed, so the database
itself refuses to queue the same run twice.
"""

from __future__ import annotations

import logging
from typing import Any

from drpo.errors import ConfigError, DrpoError, RunError
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES
from drpo.sweep.early_stopping import clearly_worse
from drpo.sweep.plan import Values, key_of
from drpo.sweep.results import Board, Cell, SweepRun
from drpo.sweep.search import propose
from drpo.system import control

log = logging.getLogger(__name__)

WHO = "sweep"
TRIES = 2
"""Times that a sweep itself lets an interrupted run go on; then it is left to a person."""


def advance_all(store: Store) -> None:
    """Advance every sweep that is going on; the supervisor's tick."""
    for sweep in store.sweeps.all():
        if sweep.status == "running":
            try:
                advance(store, sweep.id)
            except DrpoError as error:
                # A plan that no longer fits this version must not stop the other sweeps.
                store.sweeps.change(sweep.id, status="failed")
                _note(store, sweep.id, error=str(error))
            except Exception:
                # A full disk or a locked store may be over at the next look, so the sweep goes on;
                # the other sweeps and the queue must not wait for that.
                log.exception("the sweep %s could not be advanced", sweep.id)


def advance(store: Store, sweep_id: str) -> Board:
    """Do what is due: stop clearly worse cells, let interrupted runs go on, queue the next ones.

    A failed run is left as it is and the queue goes on past it. When nothing is left to do the
    sweep is finished.

    Raises:
        ConfigError: The plan does not fit this version.
        RunError: There is no such sweep.
    """
    board = Board.read(store, sweep_id)
    if board.status != "running":
        return board
    if board.only:
        return _advance_only(store, board)
    if _drop(store, board) or _resume_stopped(store, board, WHO) or _let_go_on(store, board):
        board = Board.read(store, sweep_id)
    # A paused run waits for a person, and the rest of the sweep need not.
    while len(board.live) - len(board.paused) < board.plan.together and not board.over_budget():
        due = _next(store, board)
        if due is None:
            break
        queued = _queue(store, board, *due)
        board = Board.read(store, sweep_id)
        if not queued:
            # Another process advances this sweep just now; what is left to do is not for this one
            # to say, least of all that the sweep is finished.
            return board
    # One that stopped since the first look is resumed at the next.
    if not board.live and not board.notes.get("stopped"):
        store.sweeps.change(sweep_id, status="finished")
        board = Board.read(store, sweep_id)
    return board


def _advance_only(store: Store, board: Board) -> Board:
    """Look after cells queued while the sweep stood still; then it stands as it did before."""
    _resume_stopped(store, board, WHO)
    _let_go_on(store, board)
    board = Board.read(store, board.id)
    saving = board.notes.get("stopped", ())
    if any(
        run.status in LIVE_STATUSES or run.id in saving
        for cell in board.open_cells
        for run in cell.runs
    ):
        return board
    # First the status: without its note a running sweep would queue all its cells.
    store.sweeps.change(board.id, status=board.notes["only"]["then"])
    _note(store, board.id, only={})
    return Board.read(store, board.id)


def stop(store: Store, sweep_id: str, who: str = "") -> None:
    """End a sweep: queued runs leave the queue, those going on save and stop.

    Raises:
        RunError: There is no such sweep, or it is not going on.
    """
    board = Board.read(store, sweep_id)
    if board.status != "running":
        raise RunError(f"The sweep {sweep_id} is {board.status}; only a running one can stop.")
    # First the sweep, so that no supervisor fills the places that become free.
    store.sweeps.change(sweep_id, status="stopped")
    live = [run.id for run in Board.read(store, sweep_id).live]
    for run_id in live:
        _stop_run(store, run_id, who or WHO)
    _note(store, sweep_id, stopped=[*board.notes.get("stopped", ()), *live], only={})


def resume(store: Store, sweep_id: str, who: str = "") -> None:
    """Let a stopped or finished sweep go on, with the runs that stopping it had stopped.

    One of which only some cells go on, queued by hand, goes on as a whole.

    Raises:
        ConfigError: The plan does not fit this version.
        RunError: There is no such sweep, or it is going on.
    """
    board = Board.read(store, sweep_id)
    if board.status == "running" and not board.only:
        raise RunError(f"The sweep {sweep_id} is going on already.")
    _note(store, sweep_id, only={})
    _resume_stopped(store, Board.read(store, sweep_id), who or WHO)
    store.sweeps.change(sweep_id, status="running")


def queue_cell(store: Store, sweep_id: str, key: str, who: str = "") -> list[int]:
    """Queue every seed of a cell that has no result and is not on its way; return the seeds.

    A run that failed or was stopped early goes on from its last checkpoint, a deleted one comes
    back, and the cell is not stopped early again. Of a sweep that stands still nothing else goes
    on: once the cell has ended the sweep is again what it was before, stopped or finished.

    Raises:
        RunError: There is no such sweep or cell.
        ConfigError: Every seed of it is done or on its way.
    """
    board = Board.read(store, sweep_id)
    cell = next((one for one in board.cells if one.key == key), None)
    if cell is None:
        raise RunError(f"The sweep {sweep_id} has no cell {key!r}.")
    due = [seed for seed in board.plan.seeds if seed not in cell.settled_seeds]
    if not due:
        raise ConfigError("Every seed of this cell is done or on its way.")
    dropped = {k: v for k, v in board.notes.get("dropped", {}).items() if k != key}
    # What is queued here must not be queued again as one that stopping the sweep had stopped.
    here = {run.id for run in cell.runs if run.seed in due}
    _note(
        store,
        sweep_id,
        dropped=dropped,
        wanted=[*board.notes.get("wanted", ()), key],
        only=_only(board, key),
        stopped=[run_id for run_id in board.notes.get("stopped", ()) if run_id not in here],
    )
    for seed in due:
        earlier = next((run for run in cell.runs if run.seed == seed), None)
        if earlier is None:
            _queue(store, board, cell.values, seed)
            continue
        store.runs.change(earlier.id, deleted_at=None)
        if store.runs.get(earlier.id).status in control.RESUMABLE:
            control.resume(store, earlier.id, who or WHO)
    store.sweeps.change(sweep_id, status="running")
    return due


def _only(board: Board, key: str) -> dict[str, Any]:
    """The cells that alone go on once this one is queued, and what the sweep is after them."""
    if board.status != "running":
        return {"cells": [key], "then": board.status}
    noted: dict[str, Any] = board.notes.get("only", {})
    return {**noted, "cells": [*noted["cells"], key]} if noted else {}


def _next(store: Store, board: Board) -> tuple[Values, int] | None:
    """The next cell and seed: every cell once before any cell a second time, controls first."""
    plan = board.plan
    open_cells = sorted(board.open_cells, key=lambda cell: not cell.is_control)
    drawn = sum(not cell.is_control for cell in board.cells)
    if plan.kind == "tpe":
        # TPE learns from whole cells: all seeds of one before the next is proposed.
        for cell in open_cells:
            for seed in cell.missing_seeds(plan.seeds):
                return cell.values, seed
        proposal = propose(board, drawn) if drawn < plan.trials else None
        if proposal is not None:
            return _proposed(store, board, proposal), plan.seeds[0]
    else:
        for seed in plan.seeds:
            for cell in open_cells:
                if seed in cell.missing_seeds(plan.seeds):
                    return cell.values, seed
    return _control_of_best(store, board)


def _control_of_best(store: Store, board: Board) -> tuple[Values, int] | None:
    """When all else is done, the best cell's own control, if the plan did not hold it."""
    best = board.best()
    if best is None or board.live or not board.plan.has_control:
        return None
    if board.control_of(best) is not None:
        return None
    return _proposed(store, board, board.plan.control(best.values)), board.plan.seeds[0]


def _proposed(store: Store, board: Board, values: Values) -> Values:
    """Remember a cell that no plan lists, so that its other seeds are queued too."""
    _note(store, board.id, proposed=[*board.notes.get("proposed", ()), values])
    return values


def _queue(store: Store, board: Board, values: Values, seed: int) -> bool:
    """Queue one run; False when another process has just done so."""
    run_id = f"{board.id}-{key_of(values)}-s{seed}"
    try:
        store.runs.create(board.plan.config(values, seed), sweep_id=board.id, run_id=run_id)
    except RunError:
        return False
    return True


def _drop(store: Store, board: Board) -> bool:
    """Stop the cells that are clearly worse; say whether there were any."""
    worse = {
        key: why
        for key, why in clearly_worse(board).items()
        if key not in board.notes.get("wanted", ())
    }
    for cell in board.cells:
        if cell.key in worse:
            _stop_cell(store, board, cell, worse[cell.key])
    if worse:
        _note(store, board.id, dropped={**board.notes.get("dropped", {}), **worse})
    return bool(worse)


def _stop_cell(store: Store, board: Board, cell: Cell, why: dict[str, Any]) -> None:
    said = (
        f"Stopped early: {board.metric} was {why['value']:.3g} at step {why['step']}, "
        f"{why['errors']:.1f} standard errors below the best cell's {why['best']:.3g}."
    )
    for run in cell.runs:
        if run in board.live:
            told = {**why, "how": "worse_cell", "metric": board.metric}
            store.events.add(run.id, int(why["step"]), "note", said, told, WHO)
            _stop_run(store, run.id, WHO)


def _stop_run(store: Store, run_id: str, who: str) -> None:
    try:
        control.stop(store, run_id, who)
    except RunError:
        return  # it ended by itself in the meantime


def _resume_stopped(store: Store, board: Board, who: str) -> bool:
    """Queue the runs that stopping the sweep had stopped; say whether there were any.

    One that is still saving stays on the list and is queued once it has stopped, and so does one
    of a cell that does not go on now. One that was deleted, erased or stopped early since leaves
    the list.
    """
    listed = board.notes.get("stopped", ())
    if not listed:
        return False
    ours = [
        run.id
        for cell in board.cells
        if cell.dropped is None
        for run in cell.runs
        if run.id in listed and run.status in (*LIVE_STATUSES, *control.RESUMABLE)
    ]
    due = [
        run.id
        for cell in board.open_cells
        for run in cell.runs
        if run.id in ours and run.status in control.RESUMABLE
    ]
    for run_id in due:
        _resume_run(store, run_id, who)
    _note(store, board.id, stopped=[run_id for run_id in ours if run_id not in due])
    return bool(due)


def _resume_run(store: Store, run_id: str, who: str) -> None:
    try:
        control.resume(store, run_id, who)
    except RunError:
        return  # a person has resumed or erased it in the meantime


def _let_go_on(store: Store, board: Board) -> bool:
    """Queue interrupted runs again, a few times each; say whether there were any."""
    interrupted: list[SweepRun] = [
        run for cell in board.open_cells for run in cell.runs if run.status == "interrupted"
    ]
    going_on = False
    for run in interrupted:
        events = store.events.since(run.id, kinds=("resume",))
        if sum(event.who == WHO for event in events) < TRIES:
            _resume_run(store, run.id, WHO)
            going_on = True
    return going_on


def _note(store: Store, sweep_id: str, **changes: Any) -> None:  # noqa: ANN401 - JSON
    notes = store.documents.get("sweep", sweep_id) or {}
    store.documents.put("sweep", sweep_id, {**notes, **changes})
