"""Uploads on the desk: checked and saved by processes of their own, watched from the screen.

An upload is a folder in the workspace. Its file is never changed; every task on it (check, save,
coverage) is a child process that writes its progress and its result into a folder of its own there,
so a closed browser loses nothing and a cancelled task leaves nothing half-done.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from drpo import processes
from drpo.data.limits import DESK
from drpo.data.source import Source
from drpo.errors import DataError
from drpo.store import workspace

Task = Literal["check", "save", "coverage"]
State = Literal["none", "running", "done", "failed", "stopped"]
KEPT_SECONDS = 14 * 24 * 3600
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Status:
    """How a task stands."""

    state: State
    stage: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    error: str = ""
    kind: str = ""
    """unreadable, ambiguous or data: what sort of error it was."""


class Desk:
    """The uploads of a workspace; one for all visitors."""

    def __init__(self) -> None:
        self._children: dict[tuple[str, Task], subprocess.Popen[bytes]] = {}

    @property
    def folder(self) -> Path:
        """Where uploads lie."""
        return workspace() / "uploads"

    def add(self, name: str, content: bytes) -> str:
        """Take an upload and return its id.

        Raises:
            UnreadableError: It is empty or too large.
        """
        source = Source.from_bytes(content, name=name, limits=DESK)
        upload = self._new()
        (self.folder / upload / "content").write_bytes(content)
        _write_json(self.folder / upload / "upload.json", {"name": source.name})
        return upload

    def add_file(self, path: Path) -> str:
        """Take a file that lies on this machine, with its gold sidecar; it is read in place."""
        source = Source.from_path(path, limits=DESK)
        upload = self._new()
        about = {"name": source.name, "path": str(path.resolve())}
        _write_json(self.folder / upload / "upload.json", about)
        return upload

    def _new(self) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.iterdir():
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        upload = uuid.uuid4().hex[:16]
        (self.folder / upload).mkdir()
        return upload

    def exists(self, upload: str) -> bool:
        """Whether there is such an upload; ids come from the URL, so only our own form counts."""
        return bool(_ID.fullmatch(upload)) and (self.folder / upload / "upload.json").is_file()

    def name(self, upload: str) -> str:
        """Return the upload's name, for showing."""
        return str(read_json(self._at(upload) / "upload.json").get("name", ""))

    def start(self, upload: str, task: Task, options: Mapping[str, Any]) -> None:
        """Start a task anew; an earlier one of the same kind is stopped and forgotten."""
        self.stop(upload, task)
        folder = self._at(upload) / task
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _write_json(folder / "options.json", options)
        module = "drpo.data.coverage" if task == "coverage" else "drpo.data.job"
        with (folder / "log.txt").open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", module, str(folder)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._children[upload, task] = child
        begun = {"pid": child.pid, "started": processes.start_time(child.pid), "at": time.time()}
        _write_json(folder / "process.json", begun)

    def stop(self, upload: str, task: Task) -> None:
        """Stop a task; what it had not finished is gone."""
        folder = self._at(upload) / task
        if self.status(upload, task).state != "running":
            return
        _write_json(folder / "stopped.json", {})
        pid = int(read_json(folder / "process.json")["pid"])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # it leads a session of its own
        child = self._children.pop((upload, task), None)
        if child is not None:
            child.wait()

    def status(self, upload: str, task: Task) -> Status:
        """Say how a task stands."""
        folder = self._at(upload) / task
        if not (folder / "process.json").is_file():
            return Status("none")
        begun = read_json(folder / "process.json")
        told = read_json(folder / "progress.json")
        stage, done, total = told.get("stage", ""), told.get("done", 0), told.get("total", 0)
        self._reap(upload, task)
        if (folder / "error.json").is_file():
            error = read_json(folder / "error.json")
            return Status("failed", error=error.get("error", ""), kind=error.get("kind", ""))
        if (folder / "result.json").is_file():
            return Status("done")
        if (folder / "stopped.json").is_file():
            return Status("stopped")
        started = processes.start_time(int(begun["pid"]))
        if started is None or abs(started - float(begun["started"] or 0)) > processes.SAME_START:
            if (folder / "result.json").is_file():  # it ended between the two looks
                return Status("done")
            return Status("failed", kind="bug")
        return Status("running", stage, done, total, time.time() - float(begun["at"]))

    def _reap(self, upload: str, task: Task) -> None:
        """Let go of a child that has ended, or that has written all it had to."""
        child = self._children.get((upload, task))
        if child is None:
            return
        folder = self.folder / upload / task
        if (folder / "result.json").is_file() or (folder / "error.json").is_file():
            child.wait()
        if child.poll() is not None:
            del self._children[upload, task]

    def result(self, upload: str, task: Task) -> dict[str, Any]:
        """Return what a task that is done wrote; empty before."""
        return read_json(self._at(upload) / task / "result.json")

    def options(self, upload: str, task: Task) -> dict[str, Any]:
        """Return what a task was started with; empty before."""
        return read_json(self._at(upload) / task / "options.json")

    def report(self, upload: str) -> dict[str, Any]:
        """Return the newest report on an upload: with coverage, if that was measured since."""
        return self.result(upload, "coverage") or self.result(upload, "check")

    def columns(self, upload: str) -> list[str]:
        """Return the columns of a file that was not understood, as far as they are known."""
        return list(read_json(self._at(upload) / "check" / "error.json").get("columns", []))

    def _at(self, upload: str) -> Path:
        if not self.exists(upload):
            raise DataError("This upload is no longer here; upload the file again.")
        return self.folder / upload


def source_of(folder: Path) -> tuple[Source, Path]:
    """Open the upload a task's folder belongs to; return also where the file lies."""
    about = read_json(folder.parent / "upload.json")
    path = Path(about["path"]) if "path" in about else folder.parent / "content"
    return Source.from_path(path, limits=DESK, name=about["name"]), path


def read_json(path: Path) -> dict[str, Any]:
    """Read a small document; empty where there is none, or where it is being written."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(document), encoding="utf-8")
    beside.replace(path)


class TaskFolder:
    """A task's side of its folder: options in; progress, result or error out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options = read_json(folder / "options.json")
        self._told = 0.0

    def progress(self, stage: str, done: int, total: int) -> None:
        """Say how far the task is, at most five times a second."""
        now = time.monotonic()
        if now - self._told > 0.2:
            self._told = now
            far = {"stage": stage, "done": done, "total": total}
            _write_json(self.folder / "progress.json", far)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the result: the task is done."""
        _write_json(self.folder / "result.json", result)

    def fail(self, error: str, kind: str, columns: Sequence[str] = ()) -> None:
        """Write the sentence that says why it was not done, and the file's columns if known."""
        about = {"error": error, "kind": kind, "columns": list(columns)}
        _write_json(self.folder / "error.json", about)
