"""Killed at random moments of its life and resumed, a run is the straight run, bit for bit.

Eight kills in the checks of every change, sixty with `make torture`; other moments with another
DRPO_TORTURE_SEED.
"""

import os
import random
import signal
import time

import pytest
from runs import small_config
from told import assert_told_alike
from workers import Workers

from drpo.runs.supervisor import Supervisor
from drpo.system import control, processes

LONG = os.environ.get("DRPO_TORTURE") == "1"
KILLS = 15 if LONG else 2
KINDS = {
    "all stages": {"sft_epochs": 1.0, "updates": 6, "eval_every": 2, "checkpoint_every": 1},
    "groups": {"advantage": "rloo", "group_size": 2, "updates": 12, "checkpoint_every": 1},
    "critic": {"updates": 12, "checkpoint_every": 2, "kl_schedule": "adaptive"},
    "dpo": {"method": "dpo", "sft_epochs": 1.0},
}


@pytest.fixture(scope="module")
def workers():
    made = Workers()
    yield made
    made.close()


def begin(store, workers, run_id):
    store.runs.move(run_id, from_statuses=["queued"], to="running")
    return workers.start(run_id)


def wait_for(pid, seconds):
    """Wait for a process to end; says whether it did."""
    deadline = time.monotonic() + seconds
    while processes.start_time(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def live(store, workers, run_id):
    """Let a run go on to its end; returns how many seconds it took."""
    began = time.monotonic()
    assert wait_for(begin(store, workers, run_id), 300)
    ended = store.runs.get(run_id)
    assert ended.status == "finished", ended.error
    return time.monotonic() - began


def cut_off(store, workers, run_id, seconds):
    """Let a run go on for so long and kill it; says whether it had not ended before."""
    pid = begin(store, workers, run_id)
    if wait_for(pid, seconds):
        return False
    os.killpg(pid, signal.SIGKILL)
    assert wait_for(pid, 10)
    # A worker that was killed before it said who it is would be waited for a minute.
    store.runs.change(run_id, pid=pid, pid_started=-1.0, host=processes.hostname())
    supervisor = Supervisor(store)
    supervisor.tick()
    supervisor.stop()
    assert store.runs.get(run_id).status in ("interrupted", "finished")
    if store.runs.get(run_id).status == "interrupted":
        control.resume(store, run_id)
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_killed_again_and_again_is_the_straight_one(
    kind, store, workers, tmp_path, model_folder, reward_folder
):
    scorer = None if "all" in kind else reward_folder
    config = small_config(tmp_path, model_folder(), scorer, **KINDS[kind])
    straight = store.runs.create(config)
    seconds = live(store, workers, straight.id)
    rng = random.Random(f"{os.environ.get('DRPO_TORTURE_SEED', '0')} {kind}")
    kills = 0
    while kills < KILLS:
        run = store.runs.create(config)
        while kills < KILLS and store.runs.get(run.id).status == "queued":
            kills += cut_off(store, workers, run.id, rng.uniform(0.0, seconds))
        if store.runs.get(run.id).status == "queued":
            live(store, workers, run.id)
        assert_told_alike(store, run.id, straight.id)
