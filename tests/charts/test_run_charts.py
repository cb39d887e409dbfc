"""Figures say what the numbers say: checked on the figures themselves."""

import pytest
from series import Run, numbers

from drpo.charts import (
    figures,
    run_charts,
)
from drpo.charts.annotations import annotations_of
from drpo.charts.figures import Panel
from drpo.store.schema import EventRow


def test_learned_and_gold_reward_share_one_step_axis():
    run = Run(**{"eval/scores": [(0, 1.0), (5, 2.0)], "eval/gold": [(0, 4.0), (5, 5.0)]})
    layout = run_charts.reward(run, until=30)["layout"]
    assert layout["xaxis2"]["matches"] == "x"
    assert layout["xaxis"]["range"] == pytest.approx([-0.3, 30.3])


def test_a_run_trained_on_the_gold_score_shows_it_once():
    points = [(0, 0.01), (5, 0.2)]
    series = {"eval/scores": points, "eval/gold": points, "eval/kl": [(0, 0.0), (5, 1.0)]}
    figure = run_charts.reward(Run(**series), until=30)
    assert "yaxis2" not in figure["layout"]
    titles = str(figure["layout"]["annotations"])
    assert "True (gold) reward" in titles
    assert "Learned reward" not in titles
    assert len(run_charts.path(Run(**series))["data"]) == 1
    other = series | {"objective/scores": [(1, 0.3)], "objective/gold": [(1, 0.1)]}
    assert "yaxis2" in run_charts.reward(Run(**other), until=30)["layout"]


def test_without_gold_there_is_one_panel_of_reward():
    figure = run_charts.reward(Run(**{"eval/scores": [(0, 1.0)]}), until=30)
    assert "yaxis2" not in figure["layout"]


def test_the_start_policy_is_a_dashed_grey_line_at_the_first_evaluation():
    run = Run(**{"eval/scores": [(0, 1.5), (5, 2.0)]})
    [level] = run_charts.start_level(run.get("eval/scores"), 30)
    assert numbers(level["y"]).tolist() == [1.5, 1.5]
    assert numbers(level["x"]).tolist() == [0, 30]
    assert level["line"]["dash"] == "dash"
    assert level["line"]["color"] == "@start"


def test_a_changed_setting_becomes_a_labelled_line():
    event = EventRow(
        run_id="r",
        step=12,
        kind="setting",
        message="",
        who="",
        payload={"name": "kl_coef", "old": 0.2, "new": 0.3},
    )
    [annotation] = annotations_of([event])
    assert (annotation.step, annotation.label, annotation.meaning) == (12, "kl_coef → 0.30", "ink")
    figure = figures.panels([Panel("a", "", [])], x_title="x", annotations=[annotation])
    assert figure["layout"]["shapes"][0]["x0"] == 12
    assert "kl_coef → 0.30" in [note["text"] for note in figure["layout"]["annotations"]]


def test_the_path_joins_reward_and_kl_of_the_same_evaluation():
    run = Run(
        **{
            "eval/kl": [(0, 0.0), (5, 1.0), (10, 2.0)],
            "eval/scores": [(0, 1.0), (10, 3.0)],
            "eval/scores_se": [(0, 0.1), (10, 0.2)],
        }
    )
    [trace] = run_charts.path(run)["data"]
    assert numbers(trace["x"]).tolist() == [0, 2]
    assert trace["customdata"] == [0, 10]
    assert numbers(trace["error_y"]["array"]) == pytest.approx([0.196, 0.392])


def curves(**values):
    """A run's training metrics by start."""
    return Run(
        **{
            f"objective/{name}{start}": [(1, value), (2, value)]
            for name, value in values.items()
            for start in ("_reset", "_prompt")
        }
    )


def headings(figure):
    notes = [note["text"] for note in figure["layout"]["annotations"]]
    return [text.split("<b>")[1].split("</b>")[0] for text in notes if "<b>" in text]


def test_live_splits_gold_by_start_as_well_where_it_is_known():
    known = run_charts.by_start(curves(scores=1.0, gold=4.0, kl=0.5))
    assert headings(known) == ["Learned reward", "True (gold) reward", "KL to the start policy"]
    assert [(trace["yaxis"], numbers(trace["y"])[0]) for trace in known["data"]] == [
        ("y", 1.0),
        ("y", 1.0),
        ("y2", 4.0),
        ("y2", 4.0),
        ("y3", 0.5),
        ("y3", 0.5),
    ]
    unknown = run_charts.by_start(curves(scores=1.0, kl=0.5))
    assert headings(unknown) == ["Learned reward", "KL to the start policy"]
    assert {trace["yaxis"] for trace in unknown["data"]} == {"y", "y2"}


def test_live_splits_no_learned_reward_of_a_run_that_was_trained_on_gold():
    run = curves(scores=4.0, gold=4.0, kl=0.5)
    whole = Run(
        **{
            name: [(0, 4.0)]
            for name in ("eval/scores", "eval/gold", "objective/scores", "objective/gold")
        }
    )
    run.series |= whole.series
    assert headings(run_charts.by_start(run)) == ["True (gold) reward", "KL to the start policy"]
