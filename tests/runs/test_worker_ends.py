"""A dead worker is told with what ended it; one that hears no stop is told, then ended."""

import os
import signal
import time

import pytest
from runs import wait_until
from test_supervisor import as_running, config, sleeper

from drpo.runs import run_outcome, worker_ends
from drpo.runs.supervisor import Supervisor
from drpo.system import control

__all__ = ["sleeper"]


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_the_signal_that_ended_a_worker_is_named_within_ten_seconds(store, name):
    run = store.runs.create(config())
    supervisor = Supervisor(store)
    supervisor.start()
    try:
        pid = wait_until(store, run.id, lambda run: run.pid is not None).pid
        os.kill(pid, getattr(signal, name))
        began = time.monotonic()
        while store.runs.get(run.id).status != "interrupted":
            assert time.monotonic() - began < 10
            time.sleep(0.1)
    finally:
        supervisor.stop()
    event = store.events.since(run.id, kinds=("error",))[-1]
    assert event.payload == {"how": "signal", "signal": name}
    assert name in store.runs.get(run.id).error


def test_a_worker_that_the_system_killed_for_memory_is_told_so():
    assert "memory was full" in worker_ends.end_of(-signal.SIGKILL, memory=True).sentence
    assert "SIGKILL" in worker_ends.end_of(-signal.SIGKILL, memory=False).sentence
    assert "status 2" in worker_ends.end_of(2, memory=False).sentence
    assert worker_ends.end_of(None, memory=False).payload == {"how": "vanished"}


def test_a_halted_worker_that_was_asked_to_stop_is_told_and_then_ended(store, monkeypatch, sleeper):
    monkeypatch.setattr(worker_ends, "TERM_AFTER", 0.2)
    monkeypatch.setattr(worker_ends, "KILL_AFTER", 0.6)
    run = store.runs.create(config())
    as_running(store, run, sleeper, time.time())
    os.kill(sleeper.pid, signal.SIGSTOP)
    control.stop(store, run.id)
    supervisor = Supervisor(store)
    began = time.monotonic()
    while store.runs.get(run.id).status == "running":
        supervisor.tick()
        assert time.monotonic() - began < 10
        time.sleep(0.05)
    supervisor.stop()
    told = [(e.kind, e.payload.get("how")) for e in store.events.since(run.id)]
    assert told == [("stop", "signalled"), ("error", "did_not_stop")]
    assert sleeper.wait(10) == -signal.SIGKILL


def test_a_worker_that_heard_the_stop_is_left_to_end_its_update(store, monkeypatch, sleeper):
    monkeypatch.setattr(worker_ends, "TERM_AFTER", 0.1)
    monkeypatch.setattr(worker_ends, "KILL_AFTER", 0.2)
    run = store.runs.create(config())
    as_running(store, run, sleeper, time.time())
    control.stop(store, run.id)
    supervisor = Supervisor(store)
    supervisor.tick()
    store.commands.done([command.id for command in store.commands.pending(run.id)])
    for _ in range(6):
        supervisor.tick()
        time.sleep(0.1)
    supervisor.stop()
    assert store.runs.get(run.id).status == "running"
    assert sleeper.poll() is None


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 B"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_every_way_to_say_out_of_memory_is_known(error, tmp_path):
    assert run_outcome.plain_sentence(error, tmp_path).startswith("Out of memory")
