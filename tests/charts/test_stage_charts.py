"""A stage before the policy's updates has curves of its own, by its own steps."""

import numpy as np

from drpo.analysis.metric_series import EMPTY, Series
from drpo.charts import stage_charts


class Known:
    def __init__(self, **series):
        self.series = {name.replace("__", "/"): value for name, value in series.items()}

    def get(self, name):
        return self.series.get(name, EMPTY)


def one(*values):
    return Series(np.arange(1, len(values) + 1, dtype=np.int32), np.array(values, np.float32))


def test_the_latest_stage_is_the_one_begun_last():
    assert stage_charts.latest_stage([]) == ""
    assert stage_charts.latest_stage(["eval/scores", "objective/kl"]) == ""
    assert stage_charts.latest_stage(["sft/loss"]) == "sft"
    assert stage_charts.latest_stage(["sft/loss", "rm/loss", "rm/accuracy"]) == "rm"


def test_a_first_step_is_a_mark_on_an_axis_that_spans_the_stage():
    run = Known(rm__loss=one(0.7), rm__accuracy=one(0.5))
    figure = stage_charts.stage_chart(run, "rm", until=16)
    assert ["markers" in trace["mode"] for trace in figure["data"]] == [True, True]
    assert figure["layout"]["xaxis"]["range"][1] >= 16


def test_every_stage_with_steps_of_its_own_has_its_curves():
    for stage in stage_charts.OWN_STEPS:
        titles = [
            note["text"]
            for note in stage_charts.stage_chart(Known(), stage)["layout"]["annotations"]
        ]
        assert titles[0].startswith("<b>What it minimises</b>")
