"""A task in a process of its own is known by what its folder says."""

import sys

import psutil
import pytest

from drpo.errors import LimitError
from drpo.system import jobs


@pytest.fixture
def sleepy(tmp_path, monkeypatch):
    """A module that does nothing for a while, as a task does that takes long."""
    (tmp_path / "sleepy.py").write_text("import time\ntime.sleep(600)\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "sleepy"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the clock is psutil's on Linux")
def test_a_step_of_the_clock_does_not_fail_a_task(tmp_path, monkeypatch, sleepy):
    folder = tmp_path / "task"
    jobs.start(folder, sleepy, {})
    assert jobs.status(folder).state == "running"
    booted = psutil.boot_time()
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: booted + 5)
    assert jobs.status(folder).state == "running"
    jobs.stop(folder)
    assert jobs.status(folder).state == "stopped"


def test_no_more_jobs_go_on_at_once_than_the_machine_is_given(tmp_path, monkeypatch, sleepy):
    monkeypatch.setenv("DRPO_JOBS", "2")
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders[:2]:
        jobs.start(folder, sleepy, {})
    with pytest.raises(LimitError, match="2 checks and evaluations are going on"):
        jobs.start(folders[2], sleepy, {})
    jobs.start(folders[1], sleepy, {})  # anew: the earlier one makes room
    jobs.stop(folders[0])
    jobs.start(folders[2], sleepy, {})
    for folder in folders[1:]:
        jobs.stop(folder)
