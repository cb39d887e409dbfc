"""Figures say what the numbers say: checked on the figures themselves."""

import itertools
import math

import numpy as np
import pytest
from series import Run, as_series, numbers

from drpo.analysis.metric_series import EMPTY, Series
from drpo.charts import compare_charts, figures, metric_charts, palette, run_charts
from drpo.charts.annotations import Annotation, annotations_of
from drpo.charts.compare_charts import RunGroup
from drpo.charts.figures import Panel
from drpo.i18n import format
from drpo.store.schema import EventRow


def traces_named(figure, uid):
    return [trace for trace in figure["data"] if trace["uid"] == uid]


def test_a_band_is_1_96_standard_errors_to_both_sides():
    run = Run(**{"eval/scores": [(0, 1.0), (5, 3.0)], "eval/scores_se": [(0, 0.5), (5, 0.25)]})
    [ribbon] = figures.band(run.get("eval/scores"), run.get("eval/scores_se"), "x", "learned")
    assert numbers(ribbon["x"]).tolist() == [0, 5, 5, 0]
    assert numbers(ribbon["y"]) == pytest.approx([1.98, 3.49, 2.51, 0.02], abs=1e-5)


def test_a_band_is_left_out_where_there_is_no_error():
    run = Run(**{"eval/scores": [(0, 1.0)]})
    assert figures.band(run.get("eval/scores"), EMPTY, "x", "learned") == []


def test_a_long_series_is_thinned_and_keeps_its_extremes():
    values = np.sin(np.arange(100_000) / 500)
    values[77_777] = 9.0
    thinned = figures.downsample(
        Series(np.arange(100_000, dtype=np.int32), values.astype(np.float32))
    )
    assert len(thinned) <= 1_000
    assert thinned.values.max() == 9.0
    assert np.all(np.diff(thinned.steps) > 0)


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


def test_every_metric_is_in_exactly_one_chart():
    names = [
        "objective/kl",
        "objective/kl_reset",
        "objective/kl_prompt",
        "eval/scores",
        "eval/scores_se",
        "lr",
        "reset/fraction",
        "lonely_se",
        "eval/only_reset",
    ]
    panels = metric_charts.metric_panels(names)
    members = [member for panel in panels for member in panel.members]
    assert sorted(members) == sorted(names)
    by_name = {panel.name: panel for panel in panels}
    assert by_name["objective/kl"].members == (
        "objective/kl",
        "objective/kl_prompt",
        "objective/kl_reset",
    )
    assert by_name["lr"].group == "progress"


def test_a_metric_chart_draws_each_of_its_members():
    names = ("objective/kl", "objective/kl_prompt", "objective/kl_reset")
    run = Run(**{name: [(1, 0.1), (2, 0.2)] for name in names})
    [panel] = metric_charts.metric_panels(names)
    figure = metric_charts.metric_chart(run, panel)
    assert len(figure["data"]) == 3
    assert {trace["line"]["color"] for trace in figure["data"]} == {"@kl", "@reset", "@start"}


def test_smoothing_is_the_bias_corrected_average():
    series = as_series([(1, 2.0), (2, 4.0)])
    # By hand, weight 0.5: 2; then (0.5 * (0.5 * 2) + 0.5 * 4) / 0.75.
    assert figures.smooth(series, 0.5).values.tolist() == pytest.approx([2.0, 10 / 3], abs=1e-6)
    assert figures.smooth(series, 0.0) is series


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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("meaning", ["learned", "gold", "reset", "start", "kl", "alarm"])
def test_text_in_a_meaning_passes_wcag_aa(theme, meaning):
    colours = palette.COLOURS[theme]
    assert contrast(colours[f"{meaning}-ink"], colours["paper"]) >= 4.5
    assert contrast(colours["muted"], colours["paper"]) >= 4.5


def contrast(one, other):
    """Relative luminance ratio of WCAG 2.1."""

    def luminance(code):
        parts = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (5.861, "5.86"),
        (0.0512, "0.051"),
        (-1.5, "−1.50"),
        (27.34, "27.3"),
        (1234567, "1\u202f234\u202f567"),
        (None, "–"),
        (math.nan, "–"),
        (2e-4, "2.0e−4"),
        (0.2, "0.20"),
        (math.inf, "∞"),
    ],
)
def test_numbers_keep_two_decimals_that_matter(value, text):
    assert format.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8\u202fs"),
        (65, "1\u202fmin 5\u202fs"),
        (3720, "1\u202fh 2\u202fmin"),
        (42, "42\u202fs"),
        (None, "–"),
    ],
)
def test_durations_use_their_two_largest_units(seconds, text):
    assert format.duration(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(999, "999\u202fB"), (999.6, "1\u202fkB"), (999_600, "1\u202fMB"), (1.5e9, "1.5\u202fGB")],
)
def test_amounts_of_memory_have_three_digits_at_most(amount, text):
    assert format.size(amount) == text


def test_labels_of_annotations_stand_above_the_plot_and_never_over_each_other_or_the_edge():
    annotations = [
        Annotation(1, "first", "ink"),
        Annotation(2, "second", "ink"),
        Annotation(29, "▲ alarm", "alarm"),
        Annotation(30, "▲ alarm", "alarm"),
    ]
    plain = figures.panels([Panel("a", "", [])], x_title="x", until=30)["layout"]
    layout = figures.panels([Panel("a", "", [])], x_title="x", annotations=annotations, until=30)[
        "layout"
    ]
    labels = [note for note in layout["annotations"] if note.get("name") == "mark"]
    # Four lines, but the second alarm's label would lie over the first one's, and says the same.
    assert len(layout["shapes"]) == 4
    assert [note["text"] for note in labels] == ["first", "second", "▲ alarm"]
    assert all(note["yanchor"] == "bottom" for note in labels)
    assert labels[0]["yshift"] < labels[1]["yshift"]
    assert [note["xanchor"] for note in labels] == ["left", "left", "right"]
    assert layout["margin"]["t"] > plain["margin"]["t"]
