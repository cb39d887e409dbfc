"""Several runs in one figure: told apart, joined by seed, labelled in order."""

import itertools

import plotly.graph_objects as go
import pytest
from series import Run, coloured, numbers

from drpo.charts import compare_charts, frontier_chart
from drpo.charts.compare_charts import RunGroup


def test_runs_laid_over_each_other_differ_in_line_style_and_carry_a_label():
    runs = [
        RunGroup(f"run {i}", [Run(**{"eval/gold": [(0, 1.0), (5, 2.0 + i)]})]) for i in range(6)
    ]
    figure = compare_charts.over_steps(runs, "eval/gold")
    lines = [trace for trace in figure["data"] if trace["name"].startswith("run")]
    assert len({trace["line"]["dash"] for trace in lines}) == 6
    labels = [note for note in figure["layout"]["annotations"] if note["text"].startswith("run")]
    assert [note["text"] for note in labels] == [f"run {i}" for i in range(6)]


def test_seeds_are_joined_to_their_mean_on_the_steps_all_have():
    one = Run(**{"eval/gold": [(0, 1.0), (5, 2.0), (10, 9.0)]})
    two = Run(**{"eval/gold": [(0, 3.0), (5, 6.0)]})
    middle, errors = compare_charts.mean_and_error(RunGroup("both", [one, two]), "eval/gold")
    assert middle.steps.tolist() == [0, 5]
    assert middle.values.tolist() == [2.0, 4.0]
    # Standard error of two numbers: half their distance.
    assert errors.values == pytest.approx([1.0, 2.0])


def test_labels_keep_their_order_and_their_distance():
    placed = compare_charts.spread_out([1.0, 1.01, 5.0, 0.99], 0.5)
    assert placed[3] < placed[0] < placed[1] < placed[2]
    ordered = sorted(placed)
    assert min(b - a for a, b in itertools.pairwise(ordered)) >= 0.5 - 1e-9


def test_a_run_name_cannot_become_markup_in_a_chart():
    assert compare_charts.chart_label("<a href='x'>") == "&lt;a href='x'&gt;"
    assert (
        compare_charts.chart_label("kl_coef 0.2, reset_prob 0.5")
        == "kl_coef 0.2,<br>reset_prob 0.5"
    )
    assert compare_charts.chart_label("word " * 40).count("<br>") == 1
    assert compare_charts.chart_label("word " * 40).endswith("…")


def run_with(gold, kl, se=None):
    series = {"eval/gold": gold, "eval/kl": kl} | ({"eval/gold_se": se} if se else {})
    return Run(**series)


TWO = RunGroup(
    "both",
    [
        run_with([(0, 1.0), (5, 2.0), (10, 3.0)], [(0, 0.0), (5, 1.0), (10, 2.0)], [(5, 0.1)]),
        run_with([(0, 1.0), (5, 4.0), (10, 5.0)], [(0, 0.0), (5, 3.0), (10, 4.0)]),
    ],
    ["a", "b"],
)


def test_joined_seeds_are_drawn_as_their_mean_and_each_line():
    figure = compare_charts.over_steps([TWO], "eval/gold")
    lines = [trace for trace in figure["data"] if not trace.get("fill")]
    drawn = sorted(tuple(numbers(trace["y"])) for trace in lines)
    assert drawn == [(1.0, 2.0, 3.0), (1.0, 3.0, 4.0), (1.0, 4.0, 5.0)]
    # The browser draws traces of one uid once.
    assert len({trace["uid"] for trace in figure["data"]}) == len(figure["data"])
    go.Figure(coloured(figure))


def test_the_band_of_two_seeds_is_students_interval():
    figure = compare_charts.over_steps([TWO], "eval/gold")
    [band] = [trace for trace in figure["data"] if trace.get("fill")]
    top = numbers(band["y"])[1]
    # t(.975, 1) = 12.706; the standard error of 2 and 4 is 1, their mean 3.
    assert top == pytest.approx(3 + 12.706, abs=1e-3)
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < 1
    assert 5 < high < 8


def test_a_seed_that_has_not_begun_holds_the_others_up_nowhere():
    waiting = RunGroup("both", [*TWO.members, Run()], ["a", "b", "d"])
    figure = compare_charts.over_steps([waiting], "eval/gold")
    lines = [list(numbers(trace["y"])) for trace in figure["data"] if not trace.get("fill")]
    assert [1.0, 3.0, 4.0] in lines
    assert len(lines) == 3
    nobody = RunGroup("none", [Run(), Run()], ["d", "e"])
    assert compare_charts.over_steps([nobody], "eval/gold")["data"] == []
    assert frontier_chart.frontier([nobody], "eval/gold", budget=1.0)["data"] == []
