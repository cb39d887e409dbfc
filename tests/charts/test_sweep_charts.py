"""The figures of the sweep and reset screens: right numbers in right places, and valid Plotly."""

import plotly.graph_objects as go
import pytest
from series import coloured

from drpo.charts import sweep_axes, sweep_cells, sweep_charts
from drpo.config.run_config import RunConfig
from drpo.sweep import Axis, Board, Cell, SweepPlan
from drpo.sweep.results import SweepRun

GRID = (Axis(name="reset_prob", values=(0.5,)), Axis(name="kl_coef", values=(0.05, 0.2)))


def valid(figure):
    """Plotly's own check of every property; raises where one is unknown or of a wrong type."""
    return go.Figure(coloured(figure))


def board(finals):
    """A sweep of a 2 x 2 grid with final values by cell."""
    plan = SweepPlan.of(
        RunConfig.of(data="pairs.jsonl", policy="model"), axes=GRID, seeds=(0, 1, 2)
    )
    cells = [
        Cell(
            key=str(index),
            values=values,
            is_control=plan.is_control(values),
            planned=3,
            runs=tuple(
                SweepRun(f"run{index}{seed}", seed, "finished", {30: (value, 0.1)})
                for seed, value in enumerate(finals[index])
            ),
        )
        for index, values in enumerate(plan.known_cells())
    ]
    return Board("s", "s", "finished", plan, cells)


FULL = board([(4.0, 4.2, 4.1), (5.0, 5.2, 5.1), (4.5, 4.6, 4.4), (6.0, 6.2, 6.1)])


def test_a_heat_map_holds_every_mean_where_its_settings_say():
    figure = sweep_charts.heatmap(FULL.cells, "reset_prob", "kl_coef", title="Gold", unit="score")
    (trace,) = figure["data"]
    axes = (figure["layout"]["xaxis"], figure["layout"]["yaxis"])
    assert [axis["ticktext"] for axis in axes] == [["0", "0.5"], ["0.05", "0.2"]]
    assert [trace["x"], trace["y"]] == [axis["tickvals"] for axis in axes]
    assert [[round(value, 6) for value in row] for row in trace["z"]] == [[4.1, 4.5], [5.1, 6.1]]
    valid(figure)


def test_cells_that_differ_in_one_setting_are_one_row():
    row = [cell for cell in FULL.cells if cell.values["reset_prob"] == 0.5]
    figure = sweep_charts.heatmap(row, "kl_coef", "", title="Gold", unit="score")
    (trace,) = figure["data"]
    assert trace["z"] == [[cell.mean for cell in row]]
    assert trace["customdata"] == [[cell.key for cell in row]]
    assert figure["layout"]["xaxis"]["ticktext"] == ["0.05", "0.2"]
    assert figure["layout"]["yaxis"]["ticktext"] == [""]
    valid(figure)


def test_each_label_lies_on_its_cell_and_the_best_one_is_outlined():
    figure = sweep_charts.heatmap(FULL.cells, "reset_prob", "kl_coef", title="Gold", unit="score")
    labels = [note for note in figure["layout"]["annotations"] if note.get("name") == "cell"]
    said = {(note["x"], note["y"]): note["text"].split("<br>")[0] for note in labels}
    assert said == {
        (0, 0): "<b>4.10</b>",
        (1, 0): "<b>4.50</b>",
        (0, 1): "<b>5.10</b>",
        (1, 1): "<b>6.10</b>",
    }
    [outline] = figure["layout"]["shapes"]
    assert outline["x0"] < 1 < outline["x1"]
    assert outline["y0"] < 1 < outline["y1"]


def test_a_click_on_a_cell_tells_which_one_it_is():
    (trace,) = sweep_charts.heatmap(FULL.cells, "reset_prob", "kl_coef", title="", unit="")["data"]
    by_key = {cell.key: cell for cell in FULL.cells}
    told = by_key[trace["customdata"][0][1]].values
    assert (told["reset_prob"], told["kl_coef"]) == (0.5, 0.05)


def test_a_cell_says_its_mean_interval_and_seeds():
    text = sweep_cells.cell_text(FULL.cells[0])
    # t(.975, 2) = 4.3027; the spread of 4, 4.2, 4.1 is .1
    assert text == "<b>4.10</b><br>± 0.25<br>n = 3"


def test_a_cell_without_a_result_says_why():
    empty = board([(), (5.0,), (), ()])
    assert sweep_cells.cell_text(empty.cells[0]) == "not run"
    assert sweep_cells.cell_text(empty.cells[1]).endswith("<i>some seeds</i>")
    figure = sweep_charts.heatmap(empty.cells, "reset_prob", "kl_coef", title="Gold", unit="")
    assert figure["data"][0]["z"] == [[None, None], [5.0, None]]
    valid(figure)


def test_importance_is_drawn_with_the_largest_on_top():
    figure = sweep_charts.importance({"kl_coef": 0.7, "reset_prob": 0.2, "interaction": 0.1})
    assert figure["data"][0]["y"] == ["together", "reset_prob", "kl_coef"]
    valid(figure)


def test_parallel_coordinates_have_one_line_a_cell_and_end_at_its_mean():
    figure = sweep_axes.parallel(FULL.cells, FULL.plan.names, title="Gold", meaning="gold")
    heads = [note for note in figure["layout"]["annotations"] if note["text"].startswith("<b>")]
    assert [head["text"] for head in heads] == [
        "<b>reset_prob</b>",
        "<b>kl_coef</b>",
        "<b>Gold</b>",
    ]
    assert [head["x"] for head in heads] == [0, 1, 2]
    # Means 4.1, 5.1, 4.5, 6.1 of (reset_prob, kl_coef) = (0, .05), (0, .2), (.5, .05), (.5, .2)
    drawn = {trace["uid"]: trace["y"] for trace in figure["data"]}
    assert drawn["0"] == pytest.approx([0, 0, 0])
    assert drawn["1"] == pytest.approx([0, 1, 0.5])
    assert drawn["2"] == pytest.approx([1, 0, 0.2])
    assert drawn["3"] == pytest.approx([1, 1, 1])
    # The best one last, over the others, and in the full colour.
    assert [trace["uid"] for trace in figure["data"]] == ["0", "2", "1", "3"]
    assert figure["data"][-1]["line"]["color"] == "@gold/1.0"
    assert figure["data"][0]["line"]["color"] == "@gold/0.3"
    valid(figure)


def test_parallel_coordinates_need_a_result():
    assert sweep_axes.parallel(board([(), (), (), ()]).cells, ("kl_coef",), title="")["data"] == []


def ticks(figure):
    """What is written beside the first axis, and how high."""
    first = [note for note in figure["layout"]["annotations"] if note["x"] == 0]
    return [(pytest.approx(note["y"]), note["text"]) for note in first[1:]]


def test_a_wide_range_lies_on_a_logarithm():
    cells = [
        Cell(str(v), {"kl_coef": v}, False, (SweepRun("r", 0, "finished", {1: (v, 0.1)}),), 1)
        for v in (0.01, 0.1, 1.0)
    ]
    figure = sweep_axes.parallel(cells, ("kl_coef",), title="")
    assert [trace["y"][0] for trace in figure["data"]] == pytest.approx([0, 0.5, 1])
    assert ticks(figure) == [(0.0, "0.01"), (0.5, "0.1"), (1.0, "1")]


def test_an_axis_of_many_values_is_labelled_with_a_few_round_ones():
    def axis(values):
        cells = [
            Cell(str(v), {"kl_coef": v}, False, (SweepRun("r", 0, "finished", {1: (v, 0.1)}),), 1)
            for v in values
        ]
        return [text for _, text in ticks(sweep_axes.parallel(cells, ("kl_coef",), title=""))]

    assert axis([0.012, 0.05, 0.07, 0.11, 0.2, 0.4, 0.9]) == ["0.03", "0.1", "0.3"]
    assert axis([0.1, 0.12, 0.3, 0.4, 0.5, 0.7, 0.88]) == ["0.2", "0.4", "0.6", "0.8"]
