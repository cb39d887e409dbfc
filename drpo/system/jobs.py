"""Work beside the dashboard: child processes that write progress and result into a folder.

A closed browser loses nothing, because what is known about a job lies in its folder; a cancelled
job leaves nothing half-done, because only a finished one writes its result.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from drpo.errors import DrpoError, LimitError
from drpo.files import disk_is_full, read_json, write_json
from drpo.system import processes
from drpo.system.limits import is_out_of_memory

State = Literal["none", "running", "done", "failed", "stopped"]

_children: dict[Path, subprocess.Popen[bytes]] = {}
"""Jobs that this process started, whichever screen asked: only their parent can reap them."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a job stands."""

    state: State
    stage: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    error: str = ""
    kind: str = ""
    """What sort of error it was: `bug` when the job died without a word."""


def start(folder: Path, module: str, options: Mapping[str, Any]) -> None:
    """Start a job anew; an earlier one in the same folder is stopped and forgotten.

    Args:
        folder: The job's own; its parent exists.
        module: What is run, with the folder as its one argument.
        options: What it finds there.

    Raises:
        LimitError: As many are going on as this machine is given to jobs.
    """
    stop(folder)
    for other in list(_children):
        _reap(other)
    if len(_children) >= most_at_once():
        raise LimitError(
            f"{len(_children)} checks and evaluations are going on, the most at once on this "
            "machine; try again when one has ended, or stop one."
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write_json(folder / "options.json", options)
    child = processes.start_module(module, str(folder), log=folder / "log.txt")
    _children[folder] = child
    begun = {"pid": child.pid, "started": processes.start_time(child.pid), "at": time.time()}
    write_json(folder / "process.json", begun)


def most_at_once() -> int:
    """How many jobs may go on at once: `DRPO_JOBS`, by default one a core and two at least."""
    text = os.environ.get("DRPO_JOBS", "")
    return max(1, int(text)) if text.isdigit() else max(2, processes.cores())


def stop(folder: Path) -> None:
    """Stop a job; what it had not finished is gone."""
    if status(folder).state != "running":
        return
    write_json(folder / "stopped.json", {})
    pid = int(read_json(folder / "process.json")["pid"])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # it leads a session of its own
    child = _children.pop(folder, None)
    if child is not None:
        child.wait()


def status(folder: Path) -> Status:
    """Say how a job stands."""
    if not (folder / "process.json").is_file():
        return Status("none")
    begun = read_json(folder / "process.json")
    progress = read_json(folder / "progress.json")
    stage, done, total = (
        progress.get("stage", ""),
        progress.get("done", 0),
        progress.get("total", 0),
    )
    _reap(folder)
    if (folder / "error.json").is_file():
        error = read_json(folder / "error.json")
        return Status("failed", error=error.get("error", ""), kind=error.get("kind", ""))
    if (folder / "result.json").is_file():
        return Status("done")
    if (folder / "stopped.json").is_file():
        return Status("stopped")
    if not processes.same_process(begun["pid"], begun["started"]):
        if (folder / "result.json").is_file():  # it ended between the two looks
            return Status("done")
        return Status("failed", kind="bug")
    return Status("running", stage, done, total, time.time() - float(begun["at"]))


def _reap(folder: Path) -> None:
    """Let go of a child that has ended, or that has written all it had to."""
    child = _children.get(folder)
    if child is None:
        return
    if (folder / "result.json").is_file() or (folder / "error.json").is_file():
        child.wait()
    if child.poll() is not None:
        del _children[folder]


class JobFolder:
    """A job's side of its folder: options in; progress, result or error out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options = read_json(folder / "options.json")
        self._written_at = 0.0

    def progress(self, stage: str, done: int, total: int) -> None:
        """Say how far the job is, at most five times a second."""
        now = time.monotonic()
        if now - self._written_at > 0.2:
            self._written_at = now
            far = {"stage": stage, "done": done, "total": total}
            write_json(self.folder / "progress.json", far)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the result: the job is done."""
        write_json(self.folder / "result.json", result)

    def fail(self, error: str, about: Mapping[str, Any]) -> None:
        """Write the sentence that says why it was not done, and what else is known, as its kind."""
        write_json(self.folder / "error.json", {"error": error, **about})


def run_job(
    folder: Path,
    work: Callable[[JobFolder], Mapping[str, Any]],
    about: Callable[[JobFolder, DrpoError], Mapping[str, Any]] = lambda _job, _error: {},
) -> int:
    """Do a job and write its result, or the sentence that says why not.

    Args:
        folder: The job's folder.
        work: What is done; its return value is the result.
        about: What is to be known of an error beside its sentence.

    Returns:
        The process's exit status.
    """
    job = JobFolder(folder)
    try:
        job.finish(work(job))
    except DrpoError as error:
        job.fail(str(error), about(job, error))
        return 1
    except Exception as error:
        if is_out_of_memory(error):
            job.fail("This machine has not enough memory for it; bring a smaller one.", {})
            return 1
        if disk_is_full(error):
            job.fail("The disk is full; free space and try again.", {})
            return 1
        # The log keeps the traceback; the screen says that it is a bug of ours.
        traceback.print_exc()
        job.fail("", {"kind": "bug"})
        return 1
    return 0
