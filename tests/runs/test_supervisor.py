"""The supervisor starts, watches and finds workers again."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from runs import small_config, wait_until

from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError, RunError
from drpo.executors.process import free_device
from drpo.runs import housekeeping
from drpo.runs.supervisor import POLL_SECONDS, Supervisor
from drpo.store import run_folder, workspace
from drpo.store.schema import Sweep
from drpo.system import control, processes


@pytest.fixture
def sleeper():
    """A process that stands in for a worker that has hung: it lives and does nothing."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    yield child
    child.kill()
    child.wait()


def config(**values):
    return RunConfig.of(**{"data": "pairs.jsonl", "policy": "model", **values})


def as_running(store, run, child, heartbeat):
    store.runs.change(
        run.id,
        status="running",
        pid=child.pid,
        pid_started=processes.start_time(child.pid),
        host=processes.hostname(),
        heartbeat_at=heartbeat,
    )


def test_a_dead_worker_makes_its_run_interrupted(store, sleeper):
    run = store.runs.create(config())
    as_running(store, run, sleeper, time.time())
    supervisor = Supervisor(store)
    supervisor.tick()
    assert store.runs.get(run.id).status == "running"
    sleeper.kill()
    sleeper.wait()
    supervisor.tick()
    found = store.runs.get(run.id)
    assert found.status == "interrupted"
    assert "can be resumed" in found.error
    supervisor.stop()


def test_a_pid_that_belongs_to_another_process_now_is_not_the_worker(store):
    run = store.runs.create(config())
    store.runs.change(
        run.id, status="running", pid=os.getppid(), pid_started=1.0, heartbeat_at=time.time()
    )
    supervisor = Supervisor(store)
    supervisor.tick()
    assert store.runs.get(run.id).status == "interrupted"
    supervisor.stop()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the clock is psutil's on Linux")
def test_a_step_of_the_clock_takes_no_worker_for_dead(store, sleeper, monkeypatch):
    run = store.runs.create(config())
    as_running(store, run, sleeper, time.time())
    booted = psutil.boot_time()
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: booted + 5)
    supervisor = Supervisor(store)
    supervisor.tick()
    supervisor.stop()
    assert store.runs.get(run.id).status == "running"
    assert control.kill(store, run.id)
    assert sleeper.wait(timeout=10) == -signal.SIGKILL


def test_a_worker_that_an_earlier_version_wrote_down_is_known_again(store, sleeper):
    run = store.runs.create(config())
    as_running(store, run, sleeper, time.time())
    store.runs.change(run.id, pid_started=psutil.Process(sleeper.pid).create_time())
    assert processes.process_lives(store.runs.get(run.id))
    store.runs.change(run.id, pid_started=psutil.Process(sleeper.pid).create_time() - 10)
    assert not processes.process_lives(store.runs.get(run.id))


def test_a_run_in_a_thread_never_takes_its_process_with_it(store, sleeper):
    """The sleeper stands for somebody's notebook, of which the run is one thread."""
    run = store.runs.create(config(executor="thread"))
    as_running(store, run, sleeper, time.time())
    assert not control.kill(store, run.id)
    assert store.runs.get(run.id).status == "running"
    supervisor = Supervisor(store, silent_seconds=0.1)
    supervisor.tick()
    time.sleep(0.2)
    supervisor.tick()
    supervisor.stop()
    assert sleeper.poll() is None


def test_a_supervisor_that_was_stopped_can_be_started_again(store):
    run = store.runs.create(config())
    supervisor = Supervisor(store, poll_seconds=0.05)
    supervisor.start()
    supervisor.stop()
    store.runs.change(
        run.id, status="running", pid=os.getppid(), pid_started=1.0, heartbeat_at=time.time()
    )
    supervisor.start()
    deadline = time.monotonic() + 10
    while store.runs.get(run.id).status == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    supervisor.stop()
    assert store.runs.get(run.id).status == "interrupted"


def test_a_supervisor_without_a_screen_outlives_a_store_that_fails_for_a_moment(store, sleeper):
    run = store.runs.create(config())
    as_running(store, run, sleeper, time.time())
    alone = subprocess.Popen(
        [sys.executable, "-m", "drpo.runs.background_supervisor"], stderr=subprocess.PIPE
    )
    # Read, not asked of the lock: who asks holds it for a moment, and the other would leave.
    held = workspace() / "supervisor.lock"
    deadline = time.monotonic() + 60
    while not held.exists() or held.read_text().strip() != str(alone.pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sweeps RENAME TO gone")
    time.sleep(3 * POLL_SECONDS)
    assert alone.poll() is None
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO sweeps")
    sleeper.kill()
    sleeper.wait()
    _, said = alone.communicate(timeout=60)
    assert alone.returncode == 0
    assert b"no such table" in said
    assert store.runs.get(run.id).status == "interrupted"


def test_a_worker_that_stopped_beating_is_ended(store, sleeper):
    run = store.runs.create(config())
    as_running(store, run, sleeper, time.time())
    supervisor = Supervisor(store, silent_seconds=0.2)
    supervisor.tick()
    store.runs.heartbeat(run.id)
    supervisor.tick()
    time.sleep(0.3)
    store.runs.heartbeat(run.id)
    supervisor.tick()
    assert sleeper.poll() is None, "a beating worker was killed"
    time.sleep(0.3)
    supervisor.tick()
    assert sleeper.wait(timeout=10) == -signal.SIGKILL
    assert store.runs.get(run.id).status == "interrupted"
    supervisor.stop()


def test_an_old_heartbeat_alone_kills_nothing(store, sleeper):
    """A laptop that slept wakes with every beat old; only silence while awake counts."""
    run = store.runs.create(config())
    as_running(store, run, sleeper, time.time() - 86_400)
    supervisor = Supervisor(store, silent_seconds=30)
    supervisor.tick()
    supervisor.tick()
    assert store.runs.get(run.id).status == "running"
    assert sleeper.poll() is None
    supervisor.stop()


def test_a_run_or_sweep_of_another_version_does_not_hold_up_the_queue(store, monkeypatch):
    monkeypatch.setenv("DRPO_CPU_SLOTS", "1")
    old = store.runs.create(config())
    store.runs.change(old.id, config={**old.config, "kl": {"kl_penalty": 0.1}})
    store.sweeps.add(Sweep(id="old", name="old", plan={"base": {}, "axes": [{"name": "gone"}]}))
    sound = store.runs.create(config(data="nowhere.jsonl", executor="thread"))
    supervisor = Supervisor(store, poll_seconds=0.05)
    supervisor.tick()
    refused = store.runs.get(old.id)
    assert refused.status == "failed"
    assert "kl_penalty" in refused.error
    assert "Start a new run" in refused.error
    assert [e.message for e in store.events.since(old.id, kinds=("error",))] == [refused.error]
    assert store.sweeps.get("old").status == "failed"
    # The run behind them began: its own worker says what it lacks.
    with pytest.raises(AssertionError, match=r"nowhere\.jsonl"):
        wait_until(store, sound.id, lambda run: run.status == "finished")
    supervisor.stop()


def test_only_one_supervisor_acts_and_the_next_takes_over(store):
    first, second = Supervisor(store), Supervisor(store)
    assert first.acting()
    assert not second.acting()
    first.stop()
    assert second.acting()
    second.stop()


def test_a_supervisor_that_stands_by_leaves_the_queue_alone(store):
    run = store.runs.create(config())
    first, second = Supervisor(store), Supervisor(store)
    assert first.acting()
    second.tick()
    assert store.runs.get(run.id).status == "queued"
    first.stop()
    second.stop()


@pytest.mark.parametrize(
    ("device", "gpus", "taken", "given"),
    [
        ("auto", [], [], "cpu"),
        ("auto", [], ["cpu"], "cpu"),
        ("auto", [], ["cpu", "cpu"], None),
        ("auto", ["0", "1"], [], "cuda:0"),
        ("auto", ["0", "1"], ["cuda:0"], "cuda:1"),
        ("auto", ["0"], ["cuda:0"], None),
        ("cpu", ["0"], ["cuda:0"], "cpu"),
        ("cuda", ["0"], ["cpu"], "cuda:0"),
        ("cuda:1", ["0", "1"], ["cuda:0"], "cuda:1"),
        ("cuda:1", ["0", "1"], ["cuda:1"], None),
    ],
)
def test_each_gpu_takes_one_run_and_the_processor_two(device, gpus, taken, given):
    assert free_device(config(device=device), gpus, taken) == given


def test_the_number_of_runs_on_the_processor_can_be_set(monkeypatch):
    monkeypatch.setenv("DRPO_CPU_SLOTS", "1")
    assert free_device(config(), [], ["cpu"]) is None


def test_a_queued_run_that_is_stopped_never_starts(store):
    run = store.runs.create(config())
    assert control.stop(store, run.id, "ann") == "stopped"
    supervisor = Supervisor(store)
    supervisor.tick()
    assert store.runs.get(run.id).status == "stopped"
    supervisor.stop()


def test_orders_to_an_ended_run_are_refused_with_its_status(store):
    run = store.runs.create(config())
    store.runs.change(run.id, status="finished")
    for order in (control.stop, control.pause, control.resume):
        with pytest.raises(RunError, match="is finished"):
            order(store, run.id)
    with pytest.raises(RunError, match="is finished"):
        control.change_settings(store, run.id, {"kl_coef": 0.1})


def test_a_queued_run_cannot_be_paused(store):
    run = store.runs.create(config())
    with pytest.raises(RunError, match="has not started"):
        control.pause(store, run.id)


@pytest.mark.parametrize("method", ["dpo", "sft", "best_of_n", "rm"])
def test_a_method_without_updates_only_stops(store, method):
    run = store.runs.create(config(method=method))
    store.runs.change(run.id, status="running")
    with pytest.raises(RunError, match=f"is a {method} run, and only drpo and ppo can pause; stop"):
        control.pause(store, run.id)
    with pytest.raises(ConfigError, match=f"in a {method} run nothing can be changed"):
        control.change_settings(store, run.id, {"kl_coef": 0.2})
    assert store.commands.pending(run.id) == []
    control.stop(store, run.id)
    assert [command.kind for command in store.commands.pending(run.id)] == ["stop"]


def test_plain_ppo_turns_its_brake_and_no_resets(store):
    run = store.runs.create(config(method="ppo"))
    store.runs.change(run.id, status="running")
    for values in ({"reset_prob": 0.5}, {"reset_prob": 0.5, "kl_coef": 0.2}):
        with pytest.raises(ConfigError, match=r"reset_prob would do nothing .* only kl_coef can"):
            control.change_settings(store, run.id, values)
    assert store.commands.pending(run.id) == []
    control.change_settings(store, run.id, {"kl_coef": 0.2})
    control.pause(store, run.id)
    assert [c.kind for c in store.commands.pending(run.id)] == ["set", "pause"]


@pytest.mark.parametrize("values", [{"gamma": 0.5}, {}, {"kl_coef": -1}, {"reset_prob": "many"}])
def test_only_live_settings_change_and_only_within_their_range(store, values):
    run = store.runs.create(config())
    with pytest.raises(ConfigError):
        control.change_settings(store, run.id, values)
    assert store.commands.pending(run.id) == []


def test_a_resumed_run_does_not_hear_what_was_asked_of_the_ended_one(store):
    run = store.runs.create(config())
    store.commands.add(run.id, "stop")
    store.runs.change(run.id, status="interrupted", error="gone")
    control.resume(store, run.id)
    assert store.commands.pending(run.id) == []
    assert store.runs.get(run.id).status == "queued"
    assert store.runs.get(run.id).error == ""


def test_a_deleted_run_is_not_queued_where_no_supervisor_sees_it(store):
    run = store.runs.create(config())
    store.runs.change(run.id, status="interrupted")
    housekeeping.delete(store, run.id)
    with pytest.raises(RunError, match="was deleted"):
        control.resume(store, run.id)
    assert store.runs.get(run.id).status == "interrupted"
    housekeeping.restore(store, run.id)
    control.resume(store, run.id)
    assert store.runs.get(run.id).status == "queued"


def test_a_worker_can_be_ended_at_once(store, sleeper):
    run = store.runs.create(config())
    as_running(store, run, sleeper, time.time())
    assert control.kill(store, run.id, "ann")
    assert sleeper.wait(timeout=10) == -signal.SIGKILL
    assert store.runs.get(run.id).status == "interrupted"
    assert not control.kill(store, run.id)


def test_a_run_in_a_thread_of_this_process_finishes(store, tmp_path, model_folder, reward_folder):
    made = small_config(tmp_path, model_folder(), reward_folder, executor="thread", updates=1)
    run = store.runs.create(made)
    supervisor = Supervisor(store, poll_seconds=0.05)
    supervisor.start()
    wait_until(store, run.id, lambda run: run.status == "finished")
    supervisor.stop()
    assert store.runs.get(run.id).pid == os.getpid()


@pytest.mark.slow
def test_a_run_in_a_thread_outlives_its_supervisor(store, tmp_path, model_folder, reward_folder):
    made = small_config(
        tmp_path, model_folder(), reward_folder, executor="thread", updates=2000, eval_every=1000
    )
    run = store.runs.create(made)
    first = Supervisor(store, poll_seconds=0.05)
    first.start()
    wait_until(store, run.id, lambda run: run.step >= 1)
    first.stop()
    second = Supervisor(store, poll_seconds=0.05)
    second.tick()
    seen = store.runs.get(run.id)
    assert seen.status == "running", seen.error
    control.stop(store, run.id)
    wait_until(store, run.id, lambda run: run.status == "stopped")
    second.stop()


@pytest.mark.slow
def test_a_worker_outlives_its_supervisor_and_sigterm_saves(
    store, tmp_path, model_folder, reward_folder
):
    made = small_config(tmp_path, model_folder(), reward_folder, updates=2000, eval_every=50)
    run = store.runs.create(made)
    first = Supervisor(store, poll_seconds=0.05)
    first.start()
    live = wait_until(store, run.id, lambda run: run.step >= 1)
    first.stop()
    assert os.getsid(live.pid) == live.pid, "the worker shares a session with its starter"
    seen = store.runs.get(run.id).step
    second = Supervisor(store, poll_seconds=0.05)
    second.start()
    wait_until(store, run.id, lambda run: run.step > seen)
    assert store.runs.get(run.id).pid == live.pid
    os.kill(live.pid, signal.SIGTERM)
    wait_until(store, run.id, lambda run: run.status == "stopped")
    wait_until(store, run.id, lambda _: not psutil.pid_exists(live.pid))  # no zombie is left
    second.stop()
    step = store.runs.get(run.id).step
    assert (run_folder(run.id) / "checkpoints" / f"step-{step:06d}" / "state.json").is_file()
