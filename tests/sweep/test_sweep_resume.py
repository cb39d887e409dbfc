"""Sweeps that go on: cells queued by hand, failed and deleted runs, stop and resume."""

import pytest
from sweep_material import BASE, GRID, run_through, started

from drpo.data import Pair
from drpo.data.library.versions import save_version
from drpo.errors import ConfigError, RunError
from drpo.sweep import Axis, Board, SweepPlan, advance, create, queue_cell, resume, stop


def test_a_cell_that_was_not_run_can_be_queued_with_one_call(store):
    board = run_through(store, started(store, budget_runs=6, seeds=(0, 1)), lambda _v, _s: 5.0)
    half = next(cell for cell in board.cells if cell.state == "part")
    assert queue_cell(store, board.id, half.key) == [1]
    with pytest.raises(ConfigError, match="done or on its way"):
        queue_cell(store, board.id, half.key)
    with pytest.raises(RunError, match="no cell"):
        queue_cell(store, board.id, "ffffffff")


def test_all_cells_of_a_sweep_learn_from_the_same_version(store):
    pairs = [Pair(f"prompt {n}:", " good", " bad") for n in range(6)]
    for name in ("mine", "shown"):
        save_version(store, pairs, name)
    axes = (*GRID, Axis(name="demonstrations", values=("shown", "shown.jsonl")))
    made = SweepPlan.of(BASE.replace(data="mine", heldout="mine"), axes=axes, seeds=(0,))
    sweep_id = create(store, made)
    advance(store, sweep_id)
    for name in ("mine", "shown"):
        save_version(store, pairs[:4], name)
    board = run_through(store, sweep_id, lambda _v, _s: 5.0)
    data = [store.runs.get(run.id).config["data"] for run in board.runs]
    assert len(data) == 8
    assert {(one["data"], one["heldout"]) for one in data} == {("mine:1", "mine:1")}
    assert {one["demonstrations"] for one in data} == {"shown:1", "shown.jsonl"}
    assert all(cell.state == "done" for cell in board.cells)


def test_a_failed_run_queued_again_goes_on_under_its_own_id(store):
    board = run_through(store, started(store, seeds=(0,)), lambda v, _s: v["kl_coef"] > 0.1 or None)
    failed = next(cell for cell in board.cells if cell.state == "failed")
    queue_cell(store, board.id, failed.key)
    assert store.runs.get(failed.runs[0].id).status == "queued"


def test_a_deleted_run_is_not_queued_behind_the_persons_back(store):
    board = run_through(store, started(store, seeds=(0,)), lambda _v, _s: 5.0)
    gone = board.cells[-1]
    store.runs.change(gone.runs[0].id, deleted_at=1.0)
    resume(store, board.id)
    board = advance(store, board.id)
    assert board.status == "finished"
    assert board.cells[-1].n == 0
    queue_cell(store, board.id, gone.key)
    assert Board.read(store, board.id).cells[-1].n == 1


def test_a_stopped_sweep_goes_on_where_it_was(store):
    sweep_id = started(store, together=2)
    advance(store, sweep_id)
    stop(store, sweep_id)
    board = advance(store, sweep_id)
    assert board.status == "stopped"
    assert {run.status for run in board.runs} == {"stopped"}
    resume(store, sweep_id)
    assert len(advance(store, sweep_id).live) == 2
    board = run_through(store, sweep_id, lambda _v, _s: 5.0)
    assert all(cell.state == "done" for cell in board.cells)


def test_a_stopped_sweep_goes_on_without_a_run_that_was_erased_or_deleted(store):
    sweep_id = started(store, together=2)
    erased, deleted = (run.id for run in advance(store, sweep_id).runs)
    stop(store, sweep_id)
    store.runs.remove(erased)
    store.runs.hide(deleted)
    resume(store, sweep_id)
    assert store.runs.get(deleted).status == "stopped"
    board = run_through(store, sweep_id, lambda _v, _s: 5.0)
    assert board.status == "finished"
    # The erased run's seed was queued anew, the deleted one's was not.
    assert erased in [run.id for run in board.runs if run.status == "finished"]
    assert [cell.state for cell in board.cells].count("part") == 1


def test_runs_that_are_still_saving_when_their_sweep_resumes_go_on_once_they_have_stopped(store):
    sweep_id = started(store, together=2)
    saving, saved = (run.id for run in advance(store, sweep_id).runs)
    for run_id in (saving, saved):
        store.runs.change(run_id, status="running")
    stop(store, sweep_id)
    store.runs.change(saved, status="stopped")
    resume(store, sweep_id)
    assert store.runs.get(saved).status == "queued"
    # The other one is in its last update still, and hears the stop all the same.
    assert len(advance(store, sweep_id).live) == 2
    store.runs.change(saving, status="stopped")
    board = advance(store, sweep_id)
    assert store.runs.get(saving).status == "queued"
    assert store.commands.pending(saving) == []
    assert board.notes["stopped"] == []


def cell_without_runs(board):
    return next(cell for cell in board.cells if not cell.runs)


def standing(store):
    """A stopped sweep of which one run was stopped with it, and another lost its worker."""
    sweep_id = started(store, together=2)
    stopped, lost = (run.id for run in advance(store, sweep_id).runs)
    stop(store, sweep_id)
    store.runs.change(lost, status="interrupted")
    return Board.read(store, sweep_id), stopped, lost


def test_queueing_a_cell_of_a_stopped_sweep_runs_that_cell_and_nothing_else(store):
    board, stopped, lost = standing(store)
    wanted = cell_without_runs(board)
    assert queue_cell(store, board.id, wanted.key) == [0, 1]
    board = run_through(store, board.id, lambda _v, _s: 5.0)
    assert board.status == "stopped"
    assert {cell.key for cell in board.cells if cell.n} == {wanted.key}
    assert len(board.runs) == 4
    assert (store.runs.get(stopped).status, store.runs.get(lost).status) == (
        "stopped",
        "interrupted",
    )
    # Who lets the whole sweep go on then gets all of it.
    resume(store, board.id)
    board = run_through(store, board.id, lambda _v, _s: 5.0)
    assert board.status == "finished"
    assert all(cell.state == "done" for cell in board.cells)


def test_of_a_stopped_sweep_several_cells_can_be_queued_one_after_the_other(store):
    board, _, _ = standing(store)
    first = cell_without_runs(board)
    queue_cell(store, board.id, first.key)
    second = cell_without_runs(advance(store, board.id))
    queue_cell(store, board.id, second.key)
    board = run_through(store, board.id, lambda _v, _s: 5.0)
    assert board.status == "stopped"
    assert {cell.key for cell in board.cells if cell.n} == {first.key, second.key}


def test_a_sweep_of_which_one_cell_goes_on_can_be_stopped_and_resumed_as_a_whole(store):
    board, _, _ = standing(store)
    queue_cell(store, board.id, cell_without_runs(board).key)
    stop(store, board.id)
    assert {run.status for run in Board.read(store, board.id).runs} == {"stopped", "interrupted"}
    queue_cell(store, board.id, cell_without_runs(board).key)
    resume(store, board.id)
    board = run_through(store, board.id, lambda _v, _s: 5.0)
    assert board.status == "finished"
    assert all(cell.state == "done" for cell in board.cells)


def test_a_run_of_a_queued_cell_that_fails_is_not_tried_for_ever(store):
    sweep_id = started(store, together=1, seeds=(0,))
    [run] = advance(store, sweep_id).runs
    stop(store, sweep_id)
    queue_cell(store, sweep_id, next(c.key for c in Board.read(store, sweep_id).cells if c.runs))
    board = run_through(store, sweep_id, lambda _v, _s: None)
    assert (board.status, store.runs.get(run.id).status) == ("stopped", "failed")


def test_a_paused_run_holds_up_no_other(store):
    sweep_id = started(store, together=1, seeds=(0,))
    [paused] = advance(store, sweep_id).runs
    store.runs.change(paused.id, status="paused")
    board = advance(store, sweep_id)
    assert [run.id for run in board.paused] == [paused.id]
    assert [run.status for run in board.runs if run.id != paused.id] == ["queued"]
    for _ in range(4):
        for run in board.live:
            if run.status == "queued":
                store.runs.change(run.id, status="finished")
        board = advance(store, sweep_id)
    # All others have run; this one is waited for.
    assert board.status == "running"
    assert [run.id for run in board.live] == [paused.id]
    assert len(board.runs) == 4


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        (("paused", "queued"), "paused"),
        (("running", "paused"), "running"),
        (("stopped",), "stopped"),
        (("interrupted",), "interrupted"),
        (("stopped", "failed"), "failed"),
        (("stopped", "stopped"), "stopped"),
    ],
)
def test_a_cell_says_how_its_runs_stand(store, statuses, state):
    sweep_id = started(store, together=8)
    cell = advance(store, sweep_id).cells[0]
    for run, status in zip(cell.runs, statuses, strict=False):
        store.runs.change(run.id, status=status)
    for run in cell.runs[len(statuses) :]:
        store.runs.remove(run.id)
    assert Board.read(store, sweep_id).cells[0].state == state


def test_a_sweep_stopped_again_while_its_runs_save_forgets_none_of_them(store):
    sweep_id = started(store, together=1)
    [run] = advance(store, sweep_id).runs
    store.runs.change(run.id, status="running")
    stop(store, sweep_id)
    resume(store, sweep_id)
    store.runs.change(run.id, status="stopped")
    stop(store, sweep_id)
    resume(store, sweep_id)
    assert store.runs.get(run.id).status == "queued"
