"""Which folders are put and brought as one, and what the object store says of each now."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from drpo.errors import FilesAwayError, RunError
from drpo.home.manifest import MANIFEST, Manifest, Note, read_manifest
from drpo.home.object_store import PATIENCE, ObjectStore
from drpo.home.place import home_url, workspace

log = logging.getLogger(__name__)

KINDS = ("runs", "datasets", "models")
"""Folders of the workspace whose folders are holdings."""
LASTING = ("datasets", "models")
"""Kinds that never change once they are there: what is here is not asked after again."""
FRESH_SECONDS = 3.0
"""How long a manifest that was read is believed."""
LISTED_SECONDS = 30.0
"""The same where a screen only lists what there is, of every run at once."""
TRIES = 5
"""At a manifest or a file that another machine is replacing."""

read_at: dict[str, tuple[float, Manifest | None]] = {}
"""When each manifest was read last, and what it was."""


@lru_cache(maxsize=8)
def _opened(url: str, patience: float) -> ObjectStore:
    return ObjectStore(url, patience=patience)


def store_of_home(patience: float = PATIENCE) -> ObjectStore | None:
    """The object store of `DRPO_HOME`; None where that is a folder.

    Args:
        patience: Seconds for which an operation is tried again.
    """
    url = home_url()
    return None if url is None else _opened(url, patience)


def parts_of(path: Path) -> tuple[str, str] | None:
    """The holding that a path lies in, and its name there; None outside of every holding."""
    try:
        parts = path.absolute().relative_to(workspace()).parts
    except ValueError:
        return None
    if len(parts) < 2 or parts[0] not in KINDS or ".." in parts:
        return None
    return "/".join(parts[:2]), "/".join(parts[2:])


def exists(folder: Path) -> bool:
    """Whether a holding is here, or in the object store."""
    store, parts = store_of_home(), parts_of(folder)
    if store is None or parts is None:
        return folder.is_dir()
    if Note.of(folder).generation is not None:
        return True
    try:
        return manifest_of(store, parts[0]) is not None
    except FilesAwayError as error:
        log.warning("%s is taken to be missing: %s", parts[0], error)
        return False


def bytes_put(folder: Path) -> int | None:
    """What a holding takes in the object store; None where that is nothing, or not known."""
    store, parts = store_of_home(), parts_of(folder)
    if store is None or parts is None:
        return None
    try:
        manifest = manifest_of(store, parts[0], believed=LISTED_SECONDS)
    except FilesAwayError:
        return None
    return None if manifest is None else sum(entry.size for entry in manifest.files.values())


def names_of(kind: str) -> list[str]:
    """The names of a kind's holdings that are in the object store."""
    store = store_of_home()
    return [] if store is None else store.folders(kind)


def manifest_of(
    store: ObjectStore, holding: str, *, believed: float | None = None
) -> Manifest | None:
    """The manifest as it is now, or was a moment ago.

    Args:
        store: The object store.
        holding: The holding.
        believed: Seconds for which one that was read is believed; by default `FRESH_SECONDS`.

    Raises:
        FilesAwayError: The store does not answer.
        RunError: It is none that this version may follow.
    """
    believed = FRESH_SECONDS if believed is None else believed
    named = f"{store.url}/{holding}"
    at, kept = read_at.get(named, (0.0, None))
    if named in read_at and time.monotonic() - at < believed:
        return kept
    key = f"{holding}/{MANIFEST}"
    for _ in range(TRIES):
        content = store.read(key)
        try:
            found = None if content is None else read_manifest(content, f"{store.url}/{key}")
        except ValueError:
            time.sleep(0.2)  # a folder shows files while they are written
            continue
        read_at[named] = (time.monotonic(), found)
        return found
    raise RunError(f"{store.url}/{key} is cut off; put it back from a backup, or remove {holding}.")


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process or thread of this machine fetch into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".home.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_written_here(folder: Path) -> bool:
    """Whether a worker of this machine has a run's folder; it holds this lock while it lives."""
    lock = folder / "worker.lock"
    if not lock.is_file():
        return False
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
