"""Keep the list of runs in order: name, tag, delete, bring back, erase for good.

Deleting only hides a run. Its rows and files stay until somebody erases it, so that no click loses
what took hours to make; pinning and archiving are plain columns and need nothing from here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from drpo import home
from drpo.errors import ConfigError, RunError
from drpo.playground.protocol import BRANCHES
from drpo.store import Store, run_folder, workspace
from drpo.store.schema import Run
from drpo.system import processes

LONGEST_NAME = 100
LONGEST_TAG = 30
MOST_TAGS = 10
OF_RUNS = ("monitor", "evaluation", "comparison", BRANCHES)
"""Kinds of documents that are kept by run, as `id` or `id@step`, or of two runs."""


def rename(store: Store, run_id: str, name: str) -> None:
    """Give a run another name; its id, folder and links stay.

    Raises:
        ConfigError: The name is empty or too long.
        RunError: There is no such run.
    """
    tidied = " ".join(name.split())
    if not 1 <= len(tidied) <= LONGEST_NAME:
        raise ConfigError(
            f"A run's name has 1 to {LONGEST_NAME} characters; got {len(tidied)}. Shorten it."
        )
    store.runs.change(run_id, name=tidied)


def tag(store: Store, run_id: str, tags: Sequence[str]) -> None:
    """Replace a run's tags; empty and repeated ones fall away.

    Raises:
        ConfigError: There are too many, or one is too long.
        RunError: There is no such run.
    """
    tidied = list(dict.fromkeys(text for tag in tags if (text := " ".join(tag.split()))))
    if len(tidied) > MOST_TAGS:
        raise ConfigError(f"A run has at most {MOST_TAGS} tags; got {len(tidied)}.")
    too_long = [text for text in tidied if len(text) > LONGEST_TAG]
    if too_long:
        raise ConfigError(f"A tag has at most {LONGEST_TAG} characters; got {too_long[0]!r}.")
    store.runs.change(run_id, tags=tidied)


def delete(store: Store, run_id: str) -> None:
    """Hide a run from every list; `restore` brings it back.

    Raises:
        RunError: It is live, or there is none of that id.
    """
    if not store.runs.hide(run_id):
        status = store.runs.get(run_id).status
        raise RunError(
            f"{run_id} is {status}; a live run cannot be deleted. Stop it first, it then saves "
            "and ends, or archive it when it is done."
        )


def restore(store: Store, run_id: str) -> None:
    """Bring a deleted run back as it was."""
    store.runs.change(run_id, deleted_at=None)


def erase(store: Store, run_id: str) -> None:
    """Erase a deleted run: its rows, its checkpoints, its log. Nothing brings it back.

    Raises:
        RunError: It was not deleted before, something still needs it, or its folder stays.
        FilesAwayError: The object store that has its files does not answer.
    """
    run = store.runs.get(run_id)
    if run.deleted_at is None:
        raise RunError(f"{run_id} is not deleted; only a deleted run can be erased.")
    if _worker_lives(run):
        raise RunError(f"The worker of {run_id} has not ended yet; erase it when it has.")
    if run.sweep_id is not None and store.sweeps.get(run.sweep_id).status == "running":
        raise RunError(f"{run_id} belongs to a sweep that goes on and would be run again; stop it.")
    needed_by = [other.id for other in users(store, run)]
    if needed_by:
        raise RunError(
            f"{', '.join(needed_by[:3])}{' and others' if len(needed_by) > 3 else ''} began from "
            f"the weights of {run_id}; erase those first."
        )
    folder = _folder(run_id)
    home.remove(folder)
    # Files first: what fails half-way leaves a row that can be erased again.
    if folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise RunError(f"{folder} could not be removed ({error.strerror}).") from error
    for kind in OF_RUNS:
        store.documents.remove_of(kind, run_id)
    store.runs.remove(run_id)


def users(store: Store, run: Run) -> list[Run]:
    """The runs, deleted ones too, that a model in this run's folder was given to."""
    folder = _folder(run.id)
    others = store.runs.all(archived=True) + store.runs.all(archived=True, deleted=True)
    return [
        other
        for other in others
        if other.id != run.id
        and any(path == folder or folder in path.parents for path in _given_paths(other))
    ]


def bytes_of(run_id: str) -> int:
    """What a run's folder takes on the disk, or in the object store where it is in one."""
    folder = run_folder(run_id)
    put = home.bytes_put(folder)
    if put is not None:
        return put
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _worker_lives(run: Run) -> bool:
    """Whether a process still writes for this run; a thread of our own ends with its status."""
    mine = run.pid == os.getpid()
    return run.finished_at is None and not mine and processes.process_lives(run)


def _given_paths(run: Run) -> Iterator[Path]:
    # Unchecked: a run of another version must not keep others from being erased.
    models, data = run.config.get("models", {}), run.config.get("data", {})
    for given in (models.get("policy"), models.get("reward_model"), data.get("data")):
        if given:
            yield Path(given).resolve()


def _folder(run_id: str) -> Path:
    """A run's folder, and nothing that an odd id could name instead of it."""
    folder = run_folder(run_id)
    if folder.parent != workspace() / "runs" or folder.name in ("", ".", "..") or "/" in run_id:
        raise RunError(f"{run_id!r} names no folder of a run.")
    return folder
