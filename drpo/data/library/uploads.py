"""Uploads: checked and saved by processes of their own, watched from the screen.

An upload is a folder in the workspace. Its file is never changed; every task on it (check, save,
coverage, labels) is a child process that writes its progress and its result into a folder of its
own there, so a closed browser loses nothing and a cancelled task leaves nothing half-done. What a
check read and found is kept beside the file for the tasks after it: see `checked_upload`.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from drpo.data.io.limits import UPLOAD
from drpo.data.io.source import Source
from drpo.data.library.label_decisions import LabelDecisions
from drpo.errors import DataError, LimitError
from drpo.files import read_json, write_json
from drpo.store import workspace
from drpo.system import jobs
from drpo.system.jobs import Status

Task = Literal["check", "save", "coverage", "labels", "rows"]
KEPT_SECONDS = 14 * 24 * 3600
FREE_BYTES = 500_000_000
"""What an upload leaves on the disk."""
_ID = re.compile(r"[0-9a-f]{16}")


class Uploads:
    """The uploads of a workspace; one for all visitors."""

    @property
    def folder(self) -> Path:
        """Where uploads lie."""
        return workspace() / "uploads"

    def add(self, name: str, content: bytes) -> str:
        """Take an upload and return its id.

        Raises:
            UnreadableError: It is empty or too large.
            LimitError: There is no room for more uploads.
        """
        source = Source.from_bytes(content, name=name, limits=UPLOAD)
        self._see_that_there_is_room(len(content))
        upload = self._new()
        (self.folder / upload / "content").write_bytes(content)
        write_json(self.folder / upload / "upload.json", {"name": source.name})
        return upload

    def _see_that_there_is_room(self, size: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        taken = sum(path.lstat().st_size for path in self.folder.rglob("*") if path.is_file())
        if taken + size > quota():
            raise LimitError(
                f"Uploads take {taken / 1e6:,.0f} of {quota() / 1e6:,.0f} MB. Save what is still "
                f"needed as a version and remove folders of {self.folder}, or raise "
                "DRPO_UPLOADS_MB; an upload that nobody used goes by itself after two weeks."
            )
        free = shutil.disk_usage(workspace()).free
        if free - size < FREE_BYTES:
            raise LimitError(
                f"The workspace's disk has {free / 1e6:,.0f} MB left, which runs need to save; "
                "free space and upload the file again."
            )

    def add_file(self, path: Path) -> str:
        """Take a file that lies on this machine, with its gold sidecar; it is read in place."""
        source = Source.from_path(path, limits=UPLOAD)
        upload = self._new()
        about = {"name": source.name, "path": str(path.resolve())}
        write_json(self.folder / upload / "upload.json", about)
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
        """Start a task anew; an earlier one of the same kind is stopped and forgotten.

        A check also forgets the coverage, and the rows as a model reads them: both were made of
        what the file was read as before.
        """
        if task == "check":
            for other in ("coverage", "rows"):
                jobs.stop(self._at(upload) / other)
                shutil.rmtree(self._at(upload) / other, ignore_errors=True)
        jobs.start(self._at(upload) / task, _module(task, options), options)

    def stop(self, upload: str, task: Task) -> None:
        """Stop a task; what it had not finished is gone."""
        jobs.stop(self._at(upload) / task)

    def status(self, upload: str, task: Task) -> Status:
        """Say how a task stands; errors are of the kinds unreadable, ambiguous, data and bug."""
        return jobs.status(self._at(upload) / task)

    def result(self, upload: str, task: Task) -> dict[str, Any]:
        """Return what a task that is done wrote; empty before."""
        return read_json(self._at(upload) / task / "result.json")

    def options(self, upload: str, task: Task) -> dict[str, Any]:
        """Return what a task was started with; empty before."""
        return read_json(self._at(upload) / task / "options.json")

    def report(self, upload: str) -> dict[str, Any]:
        """Return the newest report on an upload: with coverage, if that was measured since."""
        return self.result(upload, self._reporting(upload))

    def report_options(self, upload: str) -> dict[str, Any]:
        """Return what that report was made with: mapping, model and limits."""
        return self.options(upload, self._reporting(upload))

    def _reporting(self, upload: str) -> Task:
        return "coverage" if self.result(upload, "coverage") else "check"

    def columns(self, upload: str) -> list[str]:
        """Return the columns of a file that was not understood, as far as they are known."""
        return list(read_json(self._at(upload) / "check" / "error.json").get("columns", []))

    def decisions(self, upload: str) -> LabelDecisions:
        """Return what a person decided on the labels that the newest check doubts."""
        found = self.result(upload, "labels")
        return LabelDecisions(self._at(upload), found.get("content_hash", ""))

    def question(self, upload: str) -> dict[str, Any]:
        """Return the readings to choose from where a file fits several; empty otherwise."""
        return read_json(self._at(upload) / "check" / "error.json").get("question") or {}

    def _at(self, upload: str) -> Path:
        if not self.exists(upload):
            raise DataError("This upload is no longer here; upload the file again.")
        return self.folder / upload


def quota() -> int:
    """Bytes that all uploads together may take: `DRPO_UPLOADS_MB`, by default 5,000."""
    text = os.environ.get("DRPO_UPLOADS_MB", "")
    return (int(text) if text.isdigit() else 5_000) * 1_000_000


def _module(task: Task, options: Mapping[str, Any]) -> str:
    """The program of a task; only those that need models load torch."""
    if task == "coverage":
        return "drpo.evaluation.policy_likelihood"
    if task == "rows":
        return "drpo.evaluation.row_tokens"
    if task == "labels":
        judged = options.get("judge")
        return "drpo.evaluation.reward_labels" if judged else "drpo.data.labels.label_job"
    return "drpo.data.library.upload_job"


def source_of(folder: Path) -> tuple[Source, Path]:
    """Open the upload a task's folder belongs to; return also where the file lies."""
    about = read_json(folder.parent / "upload.json")
    path = Path(about["path"]) if "path" in about else folder.parent / "content"
    return Source.from_path(path, limits=UPLOAD, name=about["name"]), path
