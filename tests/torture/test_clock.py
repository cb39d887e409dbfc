"""A clock that is set by an hour, either way, while a run goes on, is no death and no loss."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import small_config
from test_kills import LONG, live
from told import assert_told_alike
from workers import Workers

LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
SUPERVISE = """
import sys, threading
from drpo.runs.supervisor import Supervisor
from drpo.store import Store
store = Store()
supervisor = Supervisor(store)
supervisor.start()
pause = threading.Event()
while store.runs.get(sys.argv[1]).status in ("queued", "running"):
    pause.wait(0.1)
supervisor.stop()
store.close()
"""


@pytest.mark.skipif(not LONG, reason="make torture")
@pytest.mark.skipif(LIBRARY is None, reason="needs Debian's libfaketime")
@pytest.mark.slow
def test_a_clock_set_by_an_hour_either_way_changes_nothing(
    store, tmp_path, model_folder, reward_folder
):
    config = small_config(tmp_path, model_folder(), reward_folder, updates=40, eval_every=20)
    straight, moved = store.runs.create(config), store.runs.create(config)
    workers = Workers()
    store.runs.move(moved.id, from_statuses=["queued"], to="stopped")  # until its turn
    live(store, workers, straight.id)
    workers.close()
    store.runs.move(moved.id, from_statuses=["stopped"], to="queued")
    clock = tmp_path / "clock"

    def set_clock(by):
        # Renamed into its place: whoever reads half of it has no clock at all.
        beside = tmp_path / "beside"
        beside.write_text(by)
        beside.replace(clock)

    set_clock("+0\n")
    # What measures how long something took is the machine's own; only the clock of the wall moves.
    environment = {
        **os.environ,
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", SUPERVISE, moved.id]
    supervisor = subprocess.Popen(command, env=environment)
    jumps = {4: "+3600\n", 12: "-3600\n", 20: "+3600\n", 28: "+0\n"}
    seen, beats = set(), []
    deadline = time.monotonic() + 300
    while supervisor.poll() is None and time.monotonic() < deadline:
        run = store.runs.get(moved.id)
        seen.add((run.status, run.pid))
        beats.append((run.heartbeat_at or 0.0) - time.time())
        for step in [step for step in jumps if run.step >= step]:
            set_clock(jumps.pop(step))
        time.sleep(0.02)
    assert supervisor.wait(30) == 0
    assert jumps == {}
    assert min(beats) < -3000, "its clock was never set back"
    assert max(beats) > 3000, "its clock was never set forward"
    assert {status for status, _ in seen} == {"queued", "running", "finished"}
    assert len({pid for _, pid in seen if pid}) == 1, "one worker"
    assert store.events.since(moved.id, kinds=("error",)) == []
    assert_told_alike(store, moved.id, straight.id)
