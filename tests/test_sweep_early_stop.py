"""Which cells of a sweep are stopped early, and how they come back."""

import pytest
from sweep_material import by_values, finish, started

from drpo.sweep import advance, queue_cell


def four_live(store, **values):
    sweep_id = started(store, seeds=(0,), together=4, **values)
    board = advance(store, sweep_id)
    return sweep_id, {(c.values["reset_prob"], c.values["kl_coef"]): c for c in board.cells}


def test_a_clearly_worse_cell_is_stopped_early_and_keeps_no_mean(store):
    sweep_id, cells = four_live(store)
    for (reset, kl), cell in cells.items():
        finish(store, cell.runs[0].id, 2.0 if (reset, kl) == (0.5, 0.05) else 6.0, until=20)
    board = advance(store, sweep_id)
    worse = by_values(board, reset_prob=0.5, kl_coef=0.05)
    assert worse.state == "stopped early"
    assert worse.mean is None
    assert worse.dropped["step"] == 20
    assert store.commands.pending(worse.runs[0].id)[0].kind == "stop"
    assert "standard errors below" in store.events.since(worse.runs[0].id)[0].message
    assert [c.state for c in board.cells].count("stopped early") == 1


def test_the_control_is_never_stopped_early(store):
    sweep_id, cells = four_live(store)
    for (reset, _), cell in cells.items():
        finish(store, cell.runs[0].id, 2.0 if reset == 0 else 6.0, until=20)
    board = advance(store, sweep_id)
    assert all(cell.dropped is None for cell in board.cells)


@pytest.mark.parametrize("case", ["early", "noise", "off"])
def test_nothing_is_stopped_when_it_is_early_or_not_clear_or_not_wanted(store, case):
    sweep_id, cells = four_live(store, early_stop=case != "off")
    for (reset, kl), cell in cells.items():
        value = 2.0 if (reset, kl) == (0.5, 0.05) else 6.0
        until, error = (10, 0.05) if case == "early" else (20, 1.5 if case == "noise" else 0.05)
        finish(store, cell.runs[0].id, value, until=until, error=error)
    assert all(cell.dropped is None for cell in advance(store, sweep_id).cells)


def test_a_cell_stopped_early_comes_back_when_asked_for_and_stays(store):
    sweep_id, cells = four_live(store)
    for key, cell in cells.items():
        finish(store, cell.runs[0].id, 2.0 if key == (0.5, 0.05) else 6.0, until=20)
    advance(store, sweep_id)
    worse = cells[0.5, 0.05]
    store.runs.change(worse.runs[0].id, status="stopped")
    assert queue_cell(store, sweep_id, worse.key) == [0]
    board = advance(store, sweep_id)
    assert by_values(board, reset_prob=0.5, kl_coef=0.05).state == "queued"
