"""A run takes the cores that are free when it starts, and keeps their number for life."""

import os

import pytest
import torch
from runs import small_config

from drpo.files import write_json
from drpo.runs.threads import fix_threads, free_cores, kept_threads
from drpo.store import run_folder
from drpo.system import processes


@pytest.fixture
def add_run(store, tmp_path, monkeypatch):
    """Return a function that adds a run; the machine has eight cores, and torch is put back."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(processes, "cores", lambda: 8)
    before = torch.get_num_threads()
    made = small_config(tmp_path, tmp_path, tmp_path)

    def add(threads=None, **columns):
        run = store.runs.create(made)
        living = {"pid": os.getpid(), "pid_started": processes.start_time(os.getpid())}
        columns = {"status": "running", "host": processes.hostname()} | living | columns
        store.runs.change(run.id, **columns)
        run_folder(run.id).mkdir(parents=True, exist_ok=True)
        if threads is not None:
            write_json(run_folder(run.id) / "threads.json", {"threads": threads})
        return store.runs.get(run.id)

    yield add
    torch.set_num_threads(before)


def test_a_run_alone_takes_every_core(store, add_run):
    run = add_run()
    assert fix_threads(run, store) == torch.get_num_threads() == kept_threads(run.id) == 8


def test_a_run_takes_what_live_runs_leave_and_one_at_least(store, add_run):
    add_run(3)
    add_run(2, status="paused")
    run = add_run()
    assert free_cores(run, store) == 3
    add_run(6)
    assert free_cores(run, store) == 1


def test_two_runs_that_start_together_share_the_cores(store, add_run):
    first, second = add_run(), add_run(pid=None, pid_started=None)
    assert fix_threads(first, store) == fix_threads(second, store) == 4


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "finished"},
        {"status": "queued"},
        {"host": "elsewhere"},
        {"device": "cuda:0"},
        {"pid_started": 1.0},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_only_runs_that_compute_on_this_processor_now_take_cores(store, add_run, columns):
    add_run(5, **columns)
    assert free_cores(add_run(), store) == 8


def test_a_run_keeps_its_number_when_others_have_come(store, add_run, monkeypatch):
    run = add_run(3)
    add_run(8)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert fix_threads(run, store) == 3


def test_the_environment_decides_for_a_new_run(store, add_run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert fix_threads(add_run(), store) == 5
