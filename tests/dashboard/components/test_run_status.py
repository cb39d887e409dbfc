"""The status line and the log's end."""

import numpy as np
import pytest
import screen_material

from drpo.analysis.metric_series import EMPTY, Feed, Series
from drpo.analysis.progress import axis_end
from drpo.dashboard.components import run_status


class Quiet:
    """A run that has not measured anything."""

    def get(self, _name):
        return EMPTY


def test_time_left_is_the_recent_update_time_times_what_remains(store):
    run = screen_material.add_run(store, "live", upto=20, status="running", per_update=2.0)
    feed = Feed(store, run.id).refresh()
    assert run_status.seconds_left(run, feed) == pytest.approx(20.0)


def test_the_latest_updates_count_for_the_time_left(store):
    run = screen_material.add_run(store, "live", upto=20, status="running", per_update=2.0)
    steps = np.arange(1, 21, dtype=np.int32)
    values = np.where(steps > 15, 4.0, 1.0).astype(np.float32)

    class Slower(Quiet):
        def get(self, name):
            return Series(steps, values) if name == "timing_s/update" else EMPTY

    assert run_status.seconds_left(run, Slower()) == pytest.approx(40.0)


def test_before_there_is_anything_to_go_by_no_time_is_promised(store):
    run = screen_material.add_run(store, "live", upto=0, status="running")
    assert run_status.seconds_left(run, Quiet()) is None


def test_the_status_of_an_earlier_stage_counts_that_stage(store):
    run = screen_material.add_run(store, "live", upto=0, status="running")
    store.runs.change(run.id, stage="reward model", stage_done=30, stage_total=120, started_at=1.0)
    status = run_status.status_of(store.runs.get(run.id), Quiet(), now=61.0)
    assert (status.done, status.total) == (30, 120)
    assert status.doing == "training the reward model"
    assert status.seconds_left == pytest.approx(180.0)


def made_by(store, method, **values):
    """A run of a method without updates, as its worker leaves it: one step for its evaluation."""
    run = screen_material.add_run(store, method, upto=0)
    config = {**run.config, "run": {**run.config["run"], "method": method}}
    store.runs.change(run.id, config=config, **{"step": 1, "stage_done": 7, **values})
    return store.runs.get(run.id)


@pytest.mark.parametrize("method", ["sft", "dpo", "best_of_n", "rm"])
def test_a_finished_run_of_a_method_without_updates_is_wholly_done(store, method):
    run = made_by(store, method, status="finished", stage="finished")
    status = run_status.status_of(run, Quiet())
    assert (status.share, status.total) == (1.0, 0)
    assert run_status.share_done(run) == 1.0


def test_a_live_run_of_a_method_without_updates_counts_its_stage_even_in_the_evaluation(store):
    run = made_by(store, "dpo", status="running", stage="evaluation", stage_total=28)
    status = run_status.status_of(run, Quiet())
    assert (status.done, status.total, status.share) == (7, 28, 0.25)
    assert not run_status.counts_updates(run)
    assert run_status.share_done(run) is None


def test_a_stopped_run_of_a_method_without_updates_does_not_look_half_done(store):
    run = made_by(store, "dpo", status="stopped", stage="stopped", stage_total=28)
    assert run_status.status_of(run, Quiet()).share == 0.0
    assert run_status.share_done(run) is None


@pytest.mark.parametrize(
    ("method", "settings", "end"),
    [
        ("drpo", "kl_coef 0.20 · reset_prob 0.50", 30),
        ("ppo", "kl_coef 0.20", 30),
        ("dpo", "", 1),
        ("sft", "", 1),
    ],
)
def test_a_line_and_its_charts_tell_only_what_the_method_has(store, method, settings, end):
    run = made_by(store, method, status="finished")
    assert run_status.live_settings_now(run, Quiet()) == settings
    assert axis_end(run) == end


def test_a_stopped_run_is_done_as_far_as_its_updates_go(store):
    run = screen_material.add_run(store, "stopped", updates=30, upto=6, status="stopped")
    assert run_status.status_of(run, Quiet()).share == pytest.approx(0.2)
    assert run_status.share_done(run) == pytest.approx(0.2)
