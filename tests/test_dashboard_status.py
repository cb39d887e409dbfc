"""The status line and the log's end."""

import numpy as np
import pytest
import screen_material

from drpo.dashboard import run_details, run_status
from drpo.dashboard.frames import EMPTY, Feed, Series


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


def test_the_log_ends_with_whole_lines(tmp_path):
    log = tmp_path / "worker.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    shown = run_details.tail(log, 100)
    assert shown.endswith("line 999\n")
    assert shown.startswith("line 9")
    assert len(shown) <= 100
    assert run_details.tail(log, 10**6).startswith("line 0\n")
