"""Live says when a run stands still, and what its record lacks."""

import re
import time

import pytest
import screen_material
from screens import notices, visit

from drpo.system import processes


@pytest.fixture
def run(store):
    run_id = screen_material.add_run(store, "told", upto=4).id
    store.runs.change(run_id, status="running", host=processes.hostname(), finished_at=None)
    return run_id


def said(run_id):
    return "\n".join(notices(visit("live", run=run_id)))


def test_a_run_without_a_sign_of_life_is_said_to_stand_still(store, run):
    store.runs.change(run, heartbeat_at=time.time() - 40)
    assert re.search(r"Stalled: no sign of life for \d+\s?s", said(run))
    store.runs.change(run, heartbeat_at=time.time())
    assert "Stalled" not in said(run)


def test_a_clock_set_back_or_another_machines_makes_no_run_stand_still(store, run):
    store.runs.change(run, heartbeat_at=time.time() + 3600)
    assert processes.seconds_silent(store.runs.get(run)) is None
    store.runs.change(run, heartbeat_at=time.time() - 3600, host="elsewhere")
    assert processes.seconds_silent(store.runs.get(run)) is None


def test_what_was_not_written_is_said(store, run):
    summary = store.runs.get(run).summary | {"lost_writes": 3}
    store.runs.change(run, summary=summary, heartbeat_at=time.time())
    assert "3 figures or answers" in said(run)
