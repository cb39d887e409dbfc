"""Reward against KL: a point for each checkpoint, what a budget buys, where all began."""

import base64

import numpy as np
import plotly.graph_objects as go
from series import Run, coloured

from drpo.charts import frontier_chart
from drpo.charts.compare_charts import RunGroup


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


ONE = RunGroup("single", [run_with([(0, 1.0), (5, 2.5)], [(0, 0.0), (5, 1.5)])], ["c"])


def numbers(packed):
    return np.frombuffer(base64.b64decode(packed["bdata"]), dtype=np.float32).tolist()


def test_the_frontier_has_one_point_a_checkpoint_that_names_run_and_step():
    figure = frontier_chart.frontier([TWO, ONE], "eval/gold")
    told = [point for trace in figure["data"] for point in trace.get("customdata", ())]
    assert [point[:2] for point in told] == [
        [0, "a"],
        [5, "a"],
        [10, "a"],
        [0, "b"],
        [5, "b"],
        [10, "b"],
        [0, "c"],
        [5, "c"],
    ]
    assert [point[2] for point in told] == ["", " ± 0.2", *[""] * 6]
    assert len({trace["uid"] for trace in figure["data"]}) == len(figure["data"])
    go.Figure(coloured(figure))


def test_the_mean_of_joined_seeds_is_a_line_of_its_own_on_the_frontier():
    figure = frontier_chart.frontier([TWO], "eval/gold")
    [mean] = [trace for trace in figure["data"] if trace["mode"] == "lines"]
    assert numbers(mean["x"]) == [0, 2, 3]
    assert numbers(mean["y"]) == [1, 3, 4]


def test_a_budget_is_a_line_that_is_seen_even_beyond_all_points():
    figure = frontier_chart.frontier([TWO], "eval/gold", budget=10.0)
    [line] = figure["layout"]["shapes"]
    assert (line["x0"], line["x1"]) == (10, 10)
    assert figure["layout"]["xaxis"]["range"][1] > 10
    assert any("10" in note["text"] for note in figure["layout"]["annotations"])


def test_the_best_within_a_budget_is_the_highest_of_the_points_on_its_near_side():
    best = frontier_chart.best_within([TWO, ONE], "eval/gold", 2.0)
    assert (best.run_id, best.step, best.reward) == ("a", 10, 3.0)
    assert frontier_chart.best_within([ONE], "eval/gold", 1.0).step == 0
    later = RunGroup("later", [run_with([(5, 2.0)], [(5, 1.0)])], ["d"])
    assert frontier_chart.best_within([later], "eval/gold", 0.5) is None


def test_the_start_policy_anchors_the_frontier_where_all_begin_at_one():
    figure = frontier_chart.frontier([TWO, ONE], "eval/gold", same_start=True)
    [level] = figure["layout"]["shapes"]
    assert level["y0"] == level["y1"] == 1.0
    assert "start policy" in [note["text"] for note in figure["layout"]["annotations"]]
    assert frontier_chart.frontier([TWO], "eval/gold")["layout"]["shapes"] == []


def test_the_open_point_is_ringed():
    figure = frontier_chart.frontier([TWO, ONE], "eval/gold", chosen=("b", 5))
    [ring] = [trace for trace in figure["data"] if trace["name"] == "chosen"]
    assert (numbers(ring["x"]), numbers(ring["y"])) == ([3], [4])
