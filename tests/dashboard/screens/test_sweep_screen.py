"""The sweep screen: how its runs stand, what its pictures mean, and what its address keeps."""

import json

import plotly.graph_objects as go
import pytest
from screens import handed, notices, problems, shown, visit
from series import coloured
from sweep_material import GRID, finish, run_through, started
from typer.testing import CliRunner

from drpo.charts import sweep_axes, sweep_cells
from drpo.cli.sweep import app as command_line
from drpo.dashboard.screens.sweep import panels
from drpo.sweep import Axis, Board, advance, stop

DRAWN = tuple(Axis.parse(text) for text in ("reset_prob=0.05:1", "kl_coef=0.01:1:log"))


def figures(app, kind):
    """The traces of one kind on the screen, as the browser gets them."""
    told = handed(app)
    traces = [trace for one in told if "figure" in one for trace in one["figure"]["data"]]
    return [trace for trace in traces if trace["type"] == kind]


def result(values, seed):
    return 4 + values["reset_prob"] + 0.1 * seed


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_paused_run_is_named_with_the_way_to_it(store, language):
    sweep_id = started(store, together=1, seeds=(0,))
    [run] = advance(store, sweep_id).runs
    store.runs.change(run.id, status="paused")
    app = visit("sweep", sweep=sweep_id, lang=language)
    assert problems(app) == []
    [said] = notices(app)
    assert ("1 run paused" in said) == (language == "en")
    assert store.runs.get(run.id).name in said
    [link] = [one.proto for one in app.get("page_link") if run.id in one.proto.label]
    assert link.page.endswith("live")
    assert f"run={run.id}" in link.query_string
    waits = {"en": "waiting for a paused run", "ja": "一時停止中の実行を待っています"}
    assert waits[language] in shown(app)
    # Another one has a place beside it, and then the sweep goes on.
    advance(store, sweep_id)
    assert waits[language] not in shown(visit("sweep", sweep=sweep_id, lang=language))


def test_a_cell_queued_in_a_stopped_sweep_is_said_to_go_on_alone_and_the_rest_can_follow(store):
    sweep_id = started(store, together=1, seeds=(0,))
    advance(store, sweep_id)
    stop(store, sweep_id)
    wanted = next(cell for cell in Board.read(store, sweep_id).cells if not cell.runs)
    app = visit("sweep", sweep=sweep_id)
    app.button(key=f"fill_{wanted.key}").click().run()
    assert problems(app) == []
    [said] = notices(app)
    assert sweep_cells.cell_name(wanted) in said
    assert app.button(key="sweep_stop")
    app.button(key="sweep_resume").click().run()
    assert problems(app) == notices(app) == []
    board = run_through(store, sweep_id, result)
    assert (board.status, len(board.runs)) == ("finished", 4)


def test_a_cell_that_was_stopped_or_lost_is_said_so_and_can_be_queued(store):
    sweep_id = started(store, together=4, seeds=(0,))
    ended = advance(store, sweep_id).runs
    for run, status in zip(ended, ("stopped", "interrupted", "failed", "paused"), strict=True):
        store.runs.change(run.id, status=status)
    app = visit("sweep", sweep=sweep_id)
    [table] = [frame.value for frame in app.dataframe if "state" in frame.value]
    assert list(table["state"]) == ["stopped", "interrupted", "failed", "paused"]
    offered = [button.label for button in app.button if (button.key or "").startswith("fill_")]
    assert [label.rpartition(": ")[2] for label in offered] == ["stopped", "interrupted", "failed"]


@pytest.mark.parametrize(("metric", "meaning"), [("eval/gold", "gold"), ("eval/scores", "learned")])
def test_the_pictures_have_the_colour_of_what_is_measured(store, metric, meaning):
    sweep_id = started(store, together=4, seeds=(0,), metric=metric)
    for place, run in enumerate(advance(store, sweep_id).runs):
        store.metrics.append(run.id, 30, {metric: 1.0 + place})
        store.runs.change(run.id, status="finished", step=30)
    app = visit("sweep", sweep=sweep_id)
    assert problems(app) == []
    [trace] = figures(app, "heatmap")
    assert {colour.split("/")[0] for _, colour in trace["colorscale"]} == {f"@{meaning}"}
    lines = figures(app, "scatter")
    assert len(lines) == 4
    assert {line["line"]["color"].split("/")[0] for line in lines} == {f"@{meaning}"}


def test_what_has_no_meaning_of_its_own_has_no_meaning_s_colour():
    assert panels.colour("eval/kl") == "kl"
    assert panels.colour("val/ratio") == "muted"


def test_drawn_cells_are_points_at_their_settings_with_their_results(store):
    sweep_id = started(store, kind="random", axes=DRAWN, trials=5, seeds=(0, 1))
    board = run_through(store, sweep_id, result)
    app = visit("sweep", sweep=sweep_id)
    assert problems(app) == []
    [trace] = [one for one in figures(app, "scatter") if one["mode"] == "markers"]
    places = [(cell.values["reset_prob"], cell.values["kl_coef"]) for cell in board.cells]
    assert list(zip(trace["x"], trace["y"], strict=True)) == places
    assert trace["marker"]["color"] == pytest.approx([cell.mean for cell in board.cells])
    # The interval of two seeds .1 apart: t(.975, 1) = 12.706, times .05.
    assert all("± 0.64" in text and "n = 2" in text for text in trace["hovertext"])
    assert trace["customdata"] == [cell.key for cell in board.cells]
    widths = trace["marker"]["line"]["width"]
    assert board.cells[widths.index(3)].key == board.best().key


def test_a_range_of_decades_is_a_logarithm_with_a_few_round_values(store):
    sweep_id = started(store, kind="random", axes=DRAWN, trials=12, seeds=(0,))
    board = Board.read(store, sweep_id)
    figure = sweep_axes.scatter(
        board.cells, "reset_prob", "kl_coef", title="Gold", unit="score", meaning="gold"
    )
    up, across = figure["layout"]["yaxis"], figure["layout"]["xaxis"]
    drawn = [cell.values["kl_coef"] for cell in board.cells]
    assert 10 ** up["range"][0] < min(drawn) < max(drawn) < 10 ** up["range"][1]
    assert (up["type"], across["type"]) == ("log", "linear")
    assert up["ticktext"] == ["0.03", "0.1", "0.3", "1"]
    assert across["range"][0] < 0
    go.Figure(coloured(figure))


def test_a_drawn_cell_without_a_result_is_a_ring(store):
    sweep_id = started(store, kind="random", axes=DRAWN, trials=3, seeds=(0,), together=2)
    finish(store, advance(store, sweep_id).runs[0].id, 5.0)
    open_cells, known = figures(visit("sweep", sweep=sweep_id), "scatter")
    assert open_cells["marker"]["symbol"] == "circle-open"
    assert (len(open_cells["x"]), len(known["x"])) == (3, 1)


def test_the_axes_and_slices_of_a_map_stand_in_the_address(store):
    axes = (*GRID, Axis(name="gamma", values=(0.9, 0.95, 1.0)))
    sweep_id = started(store, axes=axes, seeds=(0,))
    run_through(store, sweep_id, lambda values, _seed: values["kl_coef"] + values["gamma"])
    asked = {"sweep_x": "gamma", "sweep_y": "kl_coef", "slice_reset_prob": "0.5"}
    app = visit("sweep", sweep=sweep_id, **asked)
    assert problems(app) == []
    assert {key: app.selectbox(key=key).value for key in asked} == asked
    [heat] = figures(app, "heatmap")
    assert heat["z"] == [pytest.approx([0.95, 1.0, 1.05]), pytest.approx([1.1, 1.15, 1.2])]
    app.selectbox(key="sweep_y").set_value("reset_prob").run()
    app.selectbox(key="slice_kl_coef").set_value("0.2").run()
    assert problems(app) == []
    told = {key: "".join(app.query_params[key]) for key in ("sweep_x", "slice_kl_coef")}
    assert told == {"sweep_x": "gamma", "slice_kl_coef": "0.2"}
    assert "sweep_y" not in app.query_params


def test_a_link_to_axes_that_the_sweep_has_not_shows_its_own(store):
    axes = (*GRID, Axis(name="gamma", values=(0.9, 1.0)))
    sweep_id = started(store, axes=axes, seeds=(0,))
    app = visit("sweep", sweep=sweep_id, sweep_x="lam", sweep_y="reset_prob", slice_gamma="7")
    assert problems(app) == []
    assert app.selectbox(key="sweep_x").value == "reset_prob"
    assert app.selectbox(key="slice_gamma").value == "0.9"


def turn(store, run_id):
    told = {"name": "kl_coef", "old": 0.2, "new": 0.4, "live": True}
    store.events.add(run_id, 12, "setting", "kl_coef 0.2 -> 0.4", told, "ann")


def test_a_cell_says_that_a_setting_was_changed_in_one_of_its_runs(store):
    board = run_through(store, started(store), result)
    cell = board.cells[-1]
    turn(store, cell.runs[1].id)
    app = visit("sweep", sweep=board.id)
    assert problems(app) == []
    [table] = [frame.value for frame in app.dataframe if "state" in frame.value]
    assert list(table["turned"]) == ["", "", "", "seed 1: kl_coef 0.20 → 0.40 at update 12"]
    drawn = handed(app)
    notes = [
        note
        for one in drawn
        for note in one.get("figure", {"layout": {}})["layout"].get("annotations", ())
    ]
    marked = [note for note in notes if "setting changed" in note["text"]]
    assert [(note["x"], note["y"]) for note in marked] == [(1, 1)]


def test_a_change_in_a_run_that_goes_on_is_shown_at_the_next_look(store):
    sweep_id = started(store, together=4, seeds=(0,))
    [first, *_] = advance(store, sweep_id).runs
    store.runs.change(first.id, status="running")
    app = visit("sweep", sweep=sweep_id)
    assert not any("turned" in frame.value for frame in app.dataframe)
    turn(store, first.id)
    [table] = [frame.value for frame in app.run().dataframe if "state" in frame.value]
    assert [bool(said) for said in table["turned"]].count(True) == 1


def test_the_command_line_s_table_says_so_too(store):
    board = run_through(store, started(store), result)
    cell = board.cells[-1]
    turn(store, cell.runs[1].id)
    printed = CliRunner().invoke(command_line, ["show", board.id, "--json"])
    by_hand = [row["turned"] for row in json.loads(printed.output)["cells"]]
    assert by_hand == [{}, {}, {}, {cell.runs[1].id: store.events.setting_changes(cell.runs[1].id)}]
    table = CliRunner().invoke(command_line, ["show", board.id]).output
    assert table.count("done, setting changed") == 1
