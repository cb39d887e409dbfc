"""The workbench's screens with what they are for: a finished sweep, an alarm with its answers."""

import pytest
from screens import handed, problems, shown, visit
from sweep_material import run_through

from drpo.config.run_config import RunConfig
from drpo.dashboard.screens.sweep import view
from drpo.sweep import Axis, Board, SweepPlan, create

GRID = (Axis(name="reset_prob", values=(0.5,)), Axis(name="kl_coef", values=(0.05, 0.2)))


def finished_sweep(store, kind="grid", axes=GRID, **more):
    base = RunConfig.of(data="pairs.jsonl", policy="model", updates=30)
    plan = SweepPlan.of(base, axes=axes, kind=kind, seeds=(0, 1), **more)
    sweep_id = create(store, plan, "mine")
    run_through(store, sweep_id, lambda values, seed: 4 + values["reset_prob"] + 0.1 * seed)
    return sweep_id


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_finished_sweep_is_shown_with_its_best_cell_and_what_resets_add(store, language):
    sweep_id = finished_sweep(store)
    app = visit("sweep", sweep=sweep_id, lang=language)
    assert problems(app) == []
    values = [metric.value for metric in app.metric]
    assert values[0].startswith("0.5 · ")
    assert values[1:] == ["4.55", "+0.50"]


def test_a_sweep_of_one_setting_is_a_row_of_cells(store):
    sweep_id = finished_sweep(store, axes=(Axis(name="reset_prob", values=(0.25, 0.5)),))
    app = visit("sweep", sweep=sweep_id)
    assert problems(app) == []
    assert [heat["z"] for heat in heat_maps(app)] == [[pytest.approx([4.05, 4.3, 4.55])]]


def test_a_cell_that_was_not_run_of_a_one_setting_sweep_is_queued_with_one_click(store):
    axes = (Axis(name="reset_prob", values=(0.25, 0.5)),)
    sweep_id = finished_sweep(store, axes=axes, budget_runs=2)
    app = visit("sweep", sweep=sweep_id)
    assert problems(app) == []
    [heat] = heat_maps(app)
    empty = Board.read(store, sweep_id).cells[2]
    assert (empty.state, heat["z"][0][2]) == ("not run", None)
    app.button(key=f"fill_{empty.key}").click().run()
    assert problems(app) == []
    assert len(Board.read(store, sweep_id).cells[2].runs) == 2


def heat_maps(app):
    """The heat maps on the screen, as the browser gets them."""
    told = handed(app)
    traces = [trace for one in told if "figure" in one for trace in one["figure"]["data"]]
    return [trace for trace in traces if trace["type"] == "heatmap"]


def test_a_sweep_of_drawn_cells_has_no_heading_without_a_picture(store):
    axes = tuple(Axis.parse(text) for text in ("reset_prob=0.05:1", "kl_coef=0.01:1:log"))
    sweep_id = finished_sweep(store, "random", axes, trials=5)
    app = visit("sweep", sweep=sweep_id)
    assert problems(app) == []
    assert "Every cell" not in shown(app)


def test_a_cell_opens_on_compare_with_its_control_and_joined_seeds(store):
    sweep_id = finished_sweep(store)
    board = Board.read(store, sweep_id)
    cell = next(one for one in board.cells if not one.is_control)
    app = visit("sweep", sweep=sweep_id)
    runs = [*cell.runs, *board.control_of(cell).runs]
    app.session_state[view.OPENED] = ",".join(run.id for run in runs)
    app.run()
    assert problems(app) == []
    assert app.title[0].value == "Which run is better?"
    assert app.multiselect(key="runs").value == [run.id for run in runs]
    assert app.toggle(key="by_seed").value
