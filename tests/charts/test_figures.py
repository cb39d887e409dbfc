"""Bands, long series, smoothing and room for labels: what every figure is built of."""

import numpy as np
import pytest
from series import Run, as_series, numbers

from drpo.analysis.metric_series import EMPTY, Series
from drpo.charts import figures
from drpo.charts.annotations import Annotation
from drpo.charts.figures import Panel


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


def test_smoothing_is_the_bias_corrected_average():
    series = as_series([(1, 2.0), (2, 4.0)])
    # By hand, weight 0.5: 2; then (0.5 * (0.5 * 2) + 0.5 * 4) / 0.75.
    assert figures.smooth(series, 0.5).values.tolist() == pytest.approx([2.0, 10 / 3], abs=1e-6)
    assert figures.smooth(series, 0.0) is series


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
