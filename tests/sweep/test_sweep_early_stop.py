"""Which cells of a sweep are stopped early, and how they come back."""

import pytest
from sweep_material import by_values, finish, started

from drpo.sweep import Axis, advance, queue_cell


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


def at_step_20(store, outcomes, seeds=(0, 1, 2)):
    """All runs of a grid at update 20; `outcomes` are the seeds' by reset probability and KL."""
    sweep_id = started(store, seeds=seeds, together=4 * len(seeds))
    for cell in advance(store, sweep_id).cells:
        values = outcomes[cell.values["reset_prob"], cell.values["kl_coef"]]
        for run, value in zip(sorted(cell.runs, key=lambda run: run.seed), values, strict=False):
            finish(store, run.id, value, until=20)
    return advance(store, sweep_id)


GOOD = (6.0, 6.2, 5.8)


def test_an_unlucky_first_seed_stops_no_cell_of_several(store):
    alone = {(0.0, 0.05): GOOD, (0.0, 0.2): GOOD, (0.5, 0.05): (2.0,), (0.5, 0.2): GOOD}
    board = at_step_20(store, alone)
    assert all(cell.dropped is None for cell in board.cells)


def test_a_lucky_first_seed_of_the_best_cell_stops_no_other(store):
    alone = {(0.0, 0.05): (6.0,), (0.0, 0.2): (6.0,), (0.5, 0.05): GOOD, (0.5, 0.2): (60.0,)}
    board = at_step_20(store, alone)
    assert all(cell.dropped is None for cell in board.cells)


def test_two_seeds_that_agree_on_what_is_clearly_worse_stop_a_cell(store):
    told = {(0.0, 0.05): GOOD, (0.0, 0.2): GOOD, (0.5, 0.05): (2.0, 2.2), (0.5, 0.2): GOOD}
    board = at_step_20(store, told)
    worse = by_values(board, reset_prob=0.5, kl_coef=0.05)
    assert worse.state == "stopped early"
    # At step 20 two thirds of the way from 4: the seeds' spread in all cells, over 2 + 2 + 1 + 2
    # degrees of freedom, is (2/3)^2 (3 * .08 + .02) / 7.
    spread = (4 / 9 * (3 * 0.08 + 0.02) / 7) ** 0.5
    own_best, mine = 2 / 3 * 0.2, max(spread, 2 / 3 * 0.02**0.5)
    noise = (max(own_best, spread) ** 2 / 3 + mine**2 / 2) ** 0.5
    assert worse.dropped["errors"] == pytest.approx(2 / 3 * 3.9 / noise)


def test_a_cell_stopped_between_two_seeds_keeps_its_mean_and_one_that_was_cut_does_not(store):
    sweep_id = started(store, seeds=(0, 1, 2), together=12)
    outcomes = {(0.5, 0.05): (2.0, 2.2), (0.5, 0.2): (2.0, 2.2)}
    cut = []
    for cell in advance(store, sweep_id).cells:
        values = outcomes.get((cell.values["reset_prob"], cell.values["kl_coef"]), GOOD)
        runs = sorted(cell.runs, key=lambda run: run.seed)
        for run, value in zip(runs, values, strict=False):
            finish(store, run.id, value)
        if len(values) == 2:
            cut.append(runs[2].id)
    # Of one cell the third seed was never begun, of the other it is cut in mid-run.
    store.runs.remove(cut[0])
    finish(store, cut[1], 2.0, until=20)
    board = advance(store, sweep_id)
    whole, part = (by_values(board, reset_prob=0.5, kl_coef=kl) for kl in (0.05, 0.2))
    assert (whole.state, part.state) == ("stopped early", "stopped early")
    assert (whole.n, whole.mean) == (2, pytest.approx(2.1))
    assert (part.n, part.mean) == (2, None)
    # Nor does a third seed of either begin.
    assert len(advance(store, sweep_id).runs) == 11


def test_two_unlucky_seeds_stop_no_cell_where_seeds_differ_that_much_elsewhere(store):
    split = {
        (0.0, 0.05): (2.0, 6.0),
        (0.0, 0.2): (6.0, 2.0),
        (0.5, 0.05): (2.0, 2.1),
        (0.5, 0.2): (6.0, 6.1),
    }
    board = at_step_20(store, split)
    assert all(cell.dropped is None for cell in board.cells)


def test_a_cell_of_more_updates_is_judged_after_a_third_of_its_own(store):
    axes = (Axis(name="reset_prob", values=(0.5,)), Axis(name="updates", values=(30, 300)))
    sweep_id = started(store, axes=axes, seeds=(0,), together=4)
    for cell in advance(store, sweep_id).cells:
        value = 2.0 if cell.values == {"reset_prob": 0.5, "updates": 300} else 6.0
        finish(store, cell.runs[0].id, value, until=20)
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
