"""Where random and TPE sweeps look next, and what a sweep says each setting matters."""

import math

import pytest
from sweep_material import GRID, plan, run_through, started

from drpo.sweep import Axis, advance
from drpo.sweep.search import importance

SEARCH = (
    Axis(name="reset_prob", low=0.05, high=1.0),
    Axis(name="kl_coef", low=0.01, high=1.0, log=True),
)


def hill(values, _seed):
    """Best at kl_coef .2; the reset probability hardly matters."""
    return 6 - 2 * math.log10(values["kl_coef"] / 0.2) ** 2 + 0.01 * values["reset_prob"]


def test_random_cells_are_the_same_after_a_restart(store):
    first = run_through(
        store, started(store, kind="random", axes=SEARCH, trials=5, seeds=(0,)), hill
    )
    assert first.plan.known_cells() == plan(kind="random", axes=SEARCH, trials=5).known_cells()
    # five drawn cells, the control, and the control of the best
    assert len(first.cells) == 7
    assert first.control_of(first.best()) is not None


def test_tpe_looks_nearer_to_the_top_than_random_does(store):
    def distances(kind):
        sweep_id = started(store, kind=kind, axes=SEARCH, trials=24, seeds=(0,))
        drawn = [c for c in run_through(store, sweep_id, hill).cells if not c.is_control]
        assert len({cell.key for cell in drawn}) == 24
        return sorted(abs(math.log10(cell.values["kl_coef"] / 0.2)) for cell in drawn)

    # the median of 24 is steadier than the best, which luck alone may make good
    assert distances("tpe")[12] < 0.7 * distances("random")[12]


@pytest.mark.parametrize(
    ("axes", "cells"),
    [
        ((Axis(name="num_ppo_epochs", low=1, high=4),), 4),
        ((Axis(name="kl_coef", values=(0.05, 0.1)), Axis(name="gamma", values=(0.9, 1.0))), 4),
    ],
)
def test_tpe_ends_when_its_space_has_fewer_cells_than_it_may_try(store, axes, cells):
    sweep_id = started(store, kind="tpe", axes=axes, trials=12, seeds=(0,))
    board = run_through(store, sweep_id, lambda v, _s: 5.0 + v["reset_prob"])
    assert board.status == "finished"
    tried = [cell for cell in board.cells if not cell.is_control]
    assert len({cell.key for cell in tried}) == len(tried) == cells
    assert len(board.notes["proposed"]) <= len(board.cells)


def test_tpe_searches_listed_reset_probabilities_without_the_control_s_zero(store):
    axes = (Axis(name="reset_prob", values=(0.25, 0.5)), GRID[1])
    sweep_id = started(store, kind="tpe", axes=axes, trials=6, seeds=(0,))
    board = run_through(store, sweep_id, hill)
    assert board.status == "finished"
    assert sum(not cell.is_control for cell in board.cells) == 4
    assert sum(importance(board).values()) == pytest.approx(1)


def test_importance_names_the_setting_that_matters(store):
    board = run_through(store, started(store, kind="tpe", axes=SEARCH, trials=24, seeds=(0,)), hill)
    shares = importance(board)
    assert shares["kl_coef"] > 2 * shares["reset_prob"]
    assert sum(shares.values()) == pytest.approx(1)


def test_importance_of_a_grid_is_its_analysis_of_variance(store):
    board = run_through(
        store,
        started(store, seeds=(0,)),
        lambda v, _s: 5 + 2 * v["reset_prob"] + 2 * (v["kl_coef"] > 0.1),
    )
    # means 5, 7, 6, 8: variance 1.25, of which 1 lies between the KL coefficients and .25 between
    # the reset probabilities; nothing is left over
    assert importance(board) == pytest.approx(
        {"reset_prob": 0.2, "kl_coef": 0.8, "interaction": 0.0}
    )


def test_importance_is_silent_when_there_is_too_little_to_say(store):
    sweep_id = started(store)
    assert importance(advance(store, sweep_id)) == {}
    flat = run_through(store, started(store, seeds=(0,)), lambda _v, _s: 5.0)
    assert importance(flat) == {}


def test_importance_of_an_unfinished_grid_counts_its_controls(store):
    axes = (Axis(name="reset_prob", values=(0.5, 1.0)), GRID[1])
    sweep_id = started(store, axes=axes, seeds=(0,), budget_runs=5)
    board = run_through(store, sweep_id, lambda v, _s: 5 + 2 * (v["reset_prob"] > 0))
    assert any(cell.mean is None for cell in board.cells)
    shares = importance(board)
    assert shares["reset_prob"] > shares["kl_coef"]
