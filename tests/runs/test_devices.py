"""A run on several devices: one worker speaks to the store, and its ranks end with it."""

import threading
from contextlib import suppress

import psutil
import pytest
from runs import small_config, wait_until

from drpo.errors import ConfigError, RunError
from drpo.executors.process import free_device
from drpo.runs import preflight, worker
from drpo.system import control, processes


@pytest.fixture
def configure(tmp_path, model_folder, reward_folder):
    def make(**settings):
        return small_config(tmp_path, model_folder("llama"), reward_folder, **settings)

    return make


def figures(store, run):
    frame = store.metrics.since(run.id)
    kept = frame[~frame["name"].str.startswith(("timing", "eps"))]
    assert not kept.duplicated(["name", "step"]).any()
    return kept.sort_values(["name", "step"]).set_index(["name", "step"])["value"]


def episodes(store, run):
    return [
        (one.step, one.prompt, one.prefix, one.response)
        for step in range(1, 11)
        for one in store.samples.at(run.id, step, "episode")
    ]


def ranks():
    """The other ranks of this process; a browser of other tests is its child as well."""
    found = 0
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            found += "drpo.runs.followers" in child.cmdline()
    return found


def test_two_devices_then_one_make_the_run_of_one(store, configure):
    settings = {"learning_rate": 1e-4, "checkpoint_every": 1, "updates": 10, "eval_every": 5}
    alone = store.runs.create(configure(**settings))
    assert worker.execute(alone.id, store) == "finished"
    shared = store.runs.create(configure(**settings, devices=2))
    stop, seen = threading.Event(), []

    def stop_in_time():
        wait_until(store, shared.id, lambda run: run.step >= 1)
        seen.append(ranks())
        stop.set()

    stopping = threading.Thread(target=stop_in_time)
    stopping.start()
    assert worker.execute(shared.id, store, stop) == "stopped"
    stopping.join()
    assert (seen, ranks()) == ([1], 0)
    assert 1 <= store.runs.get(shared.id).step < 10
    control.resume(store, shared.id, settings={"devices": 1})
    assert store.runs.get(shared.id).config["models"]["devices"] == 1
    assert worker.execute(shared.id, store) == "finished"
    assert episodes(store, shared) == episodes(store, alone)
    found, expected = figures(store, shared), figures(store, alone)
    assert list(found.index) == list(expected.index)
    for at, value in expected.items():
        assert found[at] == pytest.approx(value, rel=1e-3, abs=1e-4), at


def test_a_run_takes_as_many_gpus_as_it_asks_for(configure):
    two, one = configure(devices=2, device="auto"), configure(device="auto")
    gpus = ["0", "1", "2"]
    assert free_device(two, gpus, []) == "cuda:0,1"
    assert free_device(two, gpus, ["cuda:1"]) == "cuda:0,2"
    assert free_device(two, gpus, ["cuda:0,1"]) is None
    assert free_device(one, gpus, ["cuda:0,1"]) == "cuda:2"
    assert free_device(configure(devices=2), gpus, ["cuda:0,1"]) == "cpu"
    with pytest.raises(ConfigError, match="devices is 2, but there are 1 GPUs"):
        free_device(two, ["0"], [])


def test_devices_that_cannot_be_are_refused_before_a_run_is_queued(configure, monkeypatch):
    for settings, why in (
        ({"executor": "thread"}, "takes a process each, and executor is 'thread'"),
        ({"device": "cuda:1"}, "device names one GPU"),
        ({"episodes_per_update": 1}, "at most the starts of an update"),
        ({"advantage": "rloo", "group_size": 8}, "at most the starts of an update"),
    ):
        with pytest.raises(ConfigError, match=why):
            configure(devices=2, **settings)
    monkeypatch.setattr(processes, "gpus", lambda: ["0"])
    with pytest.raises(ConfigError, match="devices is 2, but there are 1 GPUs"):
        preflight.check(configure(devices=2, device="auto"))


def test_a_paused_run_keeps_its_devices(store, configure):
    run = store.runs.create(configure(devices=2))
    store.runs.change(run.id, status="paused")
    with pytest.raises(RunError, match="keeps its devices"):
        control.resume(store, run.id, settings={"devices": 1})
