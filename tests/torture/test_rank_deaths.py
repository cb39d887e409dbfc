"""A run on several devices loses a rank, its worker, or is stopped and paused: `make torture`."""

import os
import random
import signal
import time

import psutil
import pytest
from runs import small_config, wait_until

from drpo.executors.process import start_worker
from drpo.runs import worker
from drpo.system import control

pytestmark = pytest.mark.skipif(
    os.environ.get("DRPO_TORTURE") != "1", reason="a minute a run; see make torture"
)
UPDATES = 24
SETTINGS = {
    "sft_epochs": 1.0,
    "sft_batch_size": 4,
    "updates": UPDATES,
    "checkpoint_every": 2,
    "learning_rate": 1e-5,
    "eval_every": 10,
}
RANDOM = random.Random(os.environ.get("DRPO_TORTURE_SEED", "0"))


@pytest.fixture
def begun(store, tmp_path, model_folder, reward_folder):
    """A run in a worker of its own, with its ranks."""
    made = []

    def begin(devices, **settings):
        config = small_config(
            tmp_path, model_folder("llama"), reward_folder, devices=devices, **SETTINGS, **settings
        )
        run = store.runs.create(config)
        store.runs.move(run.id, from_statuses=["queued"], to="running")
        made.append(start_worker(store, run.id, "cpu"))
        wait_until(store, run.id, lambda run: run.stage == "sft" or run.step > 0)
        ranks = psutil.Process(made[-1].pid).children()
        assert len(ranks) == devices - 1
        return run.id, made[-1], ranks

    yield begin
    for child in made:
        child.kill()
        child.wait()


def gone(processes, seconds=20):
    _, alive = psutil.wait_procs(processes, seconds)
    return not alive


def assert_goes_on(store, run_id, devices):
    """Resumed, it ends like a run that nothing happened to: every update told once."""
    control.resume(store, run_id, settings={"devices": devices})
    assert worker.execute(run_id, store) == "finished"
    frame = store.metrics.since(run_id, names=["objective/kl"])
    assert frame["step"].tolist() == list(range(1, UPDATES + 1))
    episodes = [len(store.samples.at(run_id, step, "episode")) for step in range(1, UPDATES + 1)]
    assert episodes == [8] * UPDATES


@pytest.mark.parametrize("number", range(3))
def test_a_rank_that_is_killed_ends_the_others_with_a_sentence(number, store, begun):
    run_id, child, ranks = begun(3)
    time.sleep(RANDOM.uniform(0, 8))
    victim = RANDOM.choice(ranks)
    name = f"device {1 + ranks.index(victim)}"
    victim.kill()
    run = wait_until(store, run_id, lambda run: run.status == "interrupted", 60)
    assert "was ended by the signal SIGKILL" in run.error, number
    assert name in run.error
    child.wait(20)
    assert gone(ranks)
    assert_goes_on(store, run_id, RANDOM.choice([1, 2]))


def test_ranks_end_with_their_worker(store, begun):
    run_id, child, ranks = begun(3)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert gone(ranks)
    store.runs.change(run_id, status="interrupted")
    assert_goes_on(store, run_id, 1)


def test_a_stop_and_a_pause_are_heard_by_all(store, begun):
    run_id, child, ranks = begun(2)
    control.pause(store, run_id)
    at = wait_until(store, run_id, lambda run: run.status == "paused").step
    time.sleep(3)
    assert store.runs.get(run_id).step == at
    store.commands.add(run_id, "set", {"kl_coef": 0.3})
    control.resume(store, run_id)
    wait_until(store, run_id, lambda run: run.step > at)
    os.kill(child.pid, signal.SIGTERM)
    assert wait_until(store, run_id, lambda run: run.status == "stopped", 60).error == ""
    assert child.wait(20) == 0
    assert gone(ranks)
    assert_goes_on(store, run_id, 3)
    assert 0.3 in store.metrics.since(run_id, names=["objective/kl_coef"])["value"].tolist()


def test_what_a_run_on_two_devices_fails_of_is_said_once(store, tmp_path, begun):
    run_id, child, ranks = begun(2)
    os.kill(child.pid, signal.SIGTERM)
    wait_until(store, run_id, lambda run: run.status == "stopped", 60)
    child.wait()
    assert gone(ranks)
    (tmp_path / "pairs.jsonl").write_text("{}\n", encoding="utf-8")
    control.resume(store, run_id)
    assert worker.execute(run_id, store) == "failed"
    (said,) = store.events.since(run_id, kinds=("error",))
    assert "pairs.jsonl" in store.runs.get(run_id).error == said.message
    assert gone(psutil.Process().children())
