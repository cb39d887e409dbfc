"""A task in a process of its own is known by what its folder says."""

import sys

import psutil
import pytest

from drpo.system.jobs import Jobs


@pytest.fixture
def sleepy(tmp_path, monkeypatch):
    """A module that does nothing for a while, as a task does that takes long."""
    (tmp_path / "sleepy.py").write_text("import time\ntime.sleep(600)\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "sleepy"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the clock is psutil's on Linux")
def test_a_step_of_the_clock_does_not_fail_a_task(tmp_path, monkeypatch, sleepy):
    tasks = Jobs()
    folder = tmp_path / "task"
    tasks.start(folder, sleepy, {})
    assert tasks.status(folder).state == "running"
    booted = psutil.boot_time()
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: booted + 5)
    assert tasks.status(folder).state == "running"
    tasks.stop(folder)
    assert tasks.status(folder).state == "stopped"
