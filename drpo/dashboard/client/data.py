"""Data: uploads and what is in them, saved versions, files that lie on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drpo.access import check_upload, see_that_may
from drpo.dashboard.client.access import asks, person
from drpo.dashboard.client.store import see_that_inputs_are_allowed, store
from drpo.data.io import source
from drpo.data.io.source import Source
from drpo.data.labels import label_text
from drpo.data.library import demonstrations, versions
from drpo.data.library.cleaning import BY_ROW, Contradictions, Repeats
from drpo.data.library.export import FORMATS, export_version, table_csv
from drpo.data.library.label_decisions import Decision, LabelDecisions
from drpo.data.library.uploads import Task, Uploads
from drpo.data.library.versions import check_name, compare_versions
from drpo.data.quality import question_text, token_text, wording
from drpo.data.quality.problems import KINDS
from drpo.data.quality.readiness import reason_text
from drpo.data.quality.report import Settings, check_source
from drpo.data.schema.column_mapping import SHAPES
from drpo.errors import ConfigError
from drpo.store.schema import Dataset

__all__ = [
    "BY_ROW",
    "FORMATS",
    "KINDS",
    "SHAPES",
    "Contradictions",
    "Decision",
    "LabelDecisions",
    "Repeats",
    "Task",
    "Uploads",
    "add_demonstration",
    "check_file",
    "check_name",
    "compare_versions",
    "decide_label",
    "delete_version",
    "demonstration_sets",
    "export_version",
    "file_of",
    "find_version",
    "label_text",
    "question_text",
    "reason_text",
    "start_task",
    "stop_task",
    "table_csv",
    "take_file",
    "token_text",
    "undo_label",
    "upload",
    "uploads",
    "wording",
]


def uploads() -> Uploads:
    """The uploads of this workspace, to look at; what changes one is a function of its own here.

    Raises:
        AccessError: The visitor may not look.
    """
    see_that_may(person(), "look")
    return Uploads()


@asks("upload")
def upload(name: str, content: bytes) -> str:
    """Take an upload and return its id; see `Uploads.add`.

    Raises:
        LimitError: It is larger than the visitor may bring, or there is no room.
    """
    check_upload(person(), len(content))
    return uploads().add(name, content)


@asks("upload", what=lambda path: path.name)
def take_file(path: Path) -> str:
    """Take a file that lies on this machine; see `Uploads.add_file`."""
    return uploads().add_file(path)


@asks("stop")
def stop_task(upload: str, task: Task) -> None:
    """Stop a task on an upload; what it had not finished is gone."""
    uploads().stop(upload, task)


@asks("upload")
def decide_label(upload: str, pair: int, choice: Decision) -> None:
    """Decide on a doubtful label; see `LabelDecisions.decide`."""
    uploads().decisions(upload).decide(pair, choice)


@asks("upload")
def undo_label(upload: str) -> None:
    """Take the last decision on a label back."""
    uploads().decisions(upload).undo()


def check_file(path: Path, *, model: Path | None, response_length: int) -> dict[str, Any]:
    """Report on a file that lies on this machine.

    Args:
        path: The file.
        model: Whose tokens are counted; None for words.
        response_length: Tokens that an episode may write.

    Raises:
        DataError: The file cannot be read as pairs.
    """
    see_that_inputs_are_allowed(
        {"data": str(path), "policy": None if model is None else str(model)}
    )
    settings = Settings(model=model, response_length=response_length)
    return check_source(Source.from_path(path), settings)[1]


def file_of(text: str) -> Path | None:
    """The file of this path; None where there is none, or where a screen may not name it."""
    try:
        see_that_inputs_are_allowed({"data": text})
    except ConfigError:
        return None
    return source.file_of(text)


@asks("upload")
def start_task(upload: str, task: Task, options: Mapping[str, Any]) -> None:
    """Start a task on an upload; see `Uploads.start`.

    Raises:
        ConfigError: It asks for a model that a screen may not name.
    """
    see_that_inputs_are_allowed({"policy": options.get("model")})
    uploads().start(upload, task, options)


def find_version(name: str) -> Dataset | None:
    """The saved version that a setting names; None where it names none."""
    return versions.find_version(store(), name)


@asks("delete")
def delete_version(dataset_id: str) -> Dataset:
    """Delete a saved version; see `versions.delete_version`."""
    return versions.delete_version(store(), dataset_id)


def demonstration_sets() -> list[str]:
    """Names of the saved sets of answers to reset into, the newest first."""
    return demonstrations.demonstration_sets(store())


@asks("upload")
def add_demonstration(
    name: str, prompt: str, answer: str, *, facts: Mapping[str, str] | None, source: str
) -> Dataset:
    """Add an answer to a saved set of answers to reset into, as its next version.

    Raises:
        DataError: It is blank, or the name belongs to a set of pairs.
    """
    return demonstrations.add_demonstration(
        store(), name, prompt, answer, facts=facts, source=source
    )
