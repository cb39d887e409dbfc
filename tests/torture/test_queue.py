"""A long queue whose workers are killed at random: every run ends finished, none twice.

With `make torture` two hundred runs and eight workers; DRPO_TORTURE_RUNS says otherwise.
"""

import os
import random
import time

import pytest
from runs import small_config
from test_kills import LONG
from told import assert_told_alike

from drpo.runs.supervisor import Supervisor
from drpo.system import control, processes

RUNS = int(os.environ.get("DRPO_TORTURE_RUNS", "200"))
WORKERS = min(8, max(2, RUNS // 4))
SHARE_KILLED = 0.25
"""Kills for each run queued."""


@pytest.mark.skipif(not LONG, reason="make torture")
@pytest.mark.slow
def test_every_run_of_a_long_queue_is_done_once(
    store, tmp_path, monkeypatch, model_folder, reward_folder
):
    monkeypatch.setenv("DRPO_CPU_SLOTS", str(WORKERS))
    settings = {"updates": 3, "eval_every": 3, "checkpoint_every": 1}
    config = small_config(tmp_path, model_folder(), reward_folder, **settings)
    runs = [store.runs.create(config) for _ in range(RUNS)]
    kills, rng = round(RUNS * SHARE_KILLED), random.Random(0)
    supervisor = Supervisor(store)
    supervisor.start()
    deadline = time.monotonic() + 60 + 60 * RUNS
    try:
        while time.monotonic() < deadline:
            now = [store.runs.get(run.id) for run in runs]
            if all(run.status == "finished" for run in now):
                break
            for run in now:
                if run.status == "interrupted":
                    control.resume(store, run.id)
            going = [run for run in now if run.status == "running" and run.pid is not None]
            if kills and going and rng.random() < 0.2:
                kills -= processes.kill_worker(rng.choice(going))
            time.sleep(0.5)
    finally:
        supervisor.stop()
    ended = [store.runs.get(run.id) for run in runs]
    assert {run.status for run in ended} == {"finished"}
    assert kills == 0
    for run in runs[1:]:
        assert_told_alike(store, run.id, runs[0].id)
