"""The list of all metrics on Live: every chart says what it draws, and a link what is looked at."""

import screen_material
from screens import problems, visit
from series import Run, numbers

from drpo.charts import metric_charts
from drpo.charts.annotations import Annotation


def chart(series, **more):
    """The one chart of some metrics."""
    [panel] = metric_charts.metric_panels(series)
    return metric_charts.metric_chart(Run(**series), panel, **more)


def notes(figure):
    return " ".join(note["text"] for note in figure["layout"]["annotations"])


def test_values_of_0_or_less_stay_on_a_linear_axis_and_the_chart_says_so():
    for points in ([(1, -0.5), (2, 1.0)], [(1, 0.0), (2, 1.0)]):
        figure = chart({"loss/policy_avg": points}, log=True)
        assert figure["layout"]["yaxis"]["type"] == "linear"
        assert "not on a log axis" in notes(figure)
    # One member is enough: all share the axis.
    split = {"objective/kl": [(1, 1.0)], "objective/kl_reset": [(1, -0.1)]}
    assert chart(split, log=True)["layout"]["yaxis"]["type"] == "linear"
    figure = chart({"lr": [(1, 0.1), (2, 0.01)]}, log=True)
    assert figure["layout"]["yaxis"]["type"] == "log"
    assert "not on a log axis" not in notes(figure)
    assert "not on a log axis" not in notes(chart({"loss/policy_avg": [(1, -0.5)]}))


def test_a_band_that_reaches_below_0_ends_above_it_on_a_log_axis():
    series = {"eval/scores": [(0, 0.1), (5, 2.0)], "eval/scores_se": [(0, 0.2), (5, 0.5)]}
    [ribbon, _line] = chart(series, log=True)["data"]
    ends = numbers(ribbon["y"])
    assert ends.min() > 0
    # Where it need not be cut it is 1.96 standard errors: 2 + and - 0.98.
    assert [round(float(end), 2) for end in ends] == [0.49, 2.98, 1.02, 0.01]
    assert min(numbers(chart(series)["data"][0]["y"])) < 0


def test_a_log_axis_never_labels_every_digit():
    # Plotly labels 1 to 9 where a tick is to stand in less than 0.3 of a decade; a chart of one to
    # ten decades must ask for so few ticks that this cannot be.
    axis = chart({"lr": [(1, 0.1), (2, 1.0)]}, log=True)["layout"]["yaxis"]
    assert 1 / axis["nticks"] > 0.3
    assert chart({"lr": [(1, 0.1)]})["layout"]["yaxis"]["nticks"] == 6


def test_a_stage_is_drawn_over_its_own_steps_without_the_marks_of_updates():
    annotations = [Annotation(3, "kl_coef → 0.3")]
    for name in ("rm/loss", "sft/loss", "dpo/accuracy"):
        figure = chart({name: [(1, 0.7), (50, 0.6)]}, annotations=annotations)
        assert "steps of the stage" in notes(figure)
        assert "policy updates" not in notes(figure)
        assert figure["layout"]["shapes"] == []
    figure = chart({"lr": [(1, 0.7)]}, annotations=annotations)
    assert "policy updates" in notes(figure)
    assert len(figure["layout"]["shapes"]) == 1


def test_stages_and_updates_do_not_zoom_together():
    names = ["rm/loss", "rm/accuracy", "sft/loss", "lr", "objective/kl"]
    groups = {panel.name: panel.stage for panel in metric_charts.metric_panels(names)}
    assert groups == {
        "rm/loss": "rm",
        "rm/accuracy": "rm",
        "sft/loss": "sft",
        "lr": "",
        "objective/kl": "",
    }


def test_a_metric_has_the_colour_of_what_it_means():
    colours = {
        name: {trace["line"]["color"] for trace in chart({name: [(1, 1.0)]})["data"]}
        for name in (
            "eval/scores",
            "eval/gold",
            "eval/kl",
            "objective/kl_coef",
            "reset/fraction",
            "completions/mean_length",
            "loss/policy_avg",
            "lr",
            "timing_s/update",
        )
    }
    assert colours == {
        "eval/scores": {"@learned"},
        "eval/gold": {"@gold"},
        "eval/kl": {"@kl"},
        "objective/kl_coef": {"@kl"},
        "reset/fraction": {"@reset"},
        "completions/mean_length": {"@learned"},
        "loss/policy_avg": {"@ink"},
        "lr": {"@ink"},
        "timing_s/update": {"@ink"},
    }
    banded = chart({"eval/gold": [(0, 1.0)], "eval/gold_se": [(0, 0.1)]})["data"]
    assert {trace["line"]["color"] for trace in banded} == {"@gold"}
    assert banded[0]["fillcolor"] == "@gold/0.18"


def test_what_is_looked_at_outlives_a_refresh(store):
    run = screen_material.add_run(store, "mine", updates=50)
    app = visit("live", run=run.id, view="all")
    app.toggle(key="metric_log").set_value(True).run()
    app.toggle(key="show_data").set_value(True).run()
    assert problems(app) == []
    said = {key: app.query_params[key] for key in ("metric_log", "show_data")}
    assert said == {"metric_log": "1", "show_data": "1"}
    # What is typed and smoothed a browser writes into the URL (tests/browser/test_links.py).
    said |= {"metric_search": "objective/", "metric_smoothing": "0.55"}
    again = visit("live", run=run.id, view="all", **said)
    assert problems(again) == []
    assert again.text_input(key="metric_search").value == "objective/"
    assert again.slider(key="metric_smoothing").value == 0.55
    assert again.toggle(key="metric_log").value
    assert again.toggle(key="show_data").value
