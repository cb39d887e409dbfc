"""Bring what is in the object store to this machine: when it is opened, and no more of it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from pathlib import Path

from drpo.errors import FilesAwayError, RunError
from drpo.home import holdings
from drpo.home.holdings import (
    KINDS,
    LASTING,
    TRIES,
    is_written_here,
    manifest_of,
    names_of,
    one_at_a_time,
    parts_of,
    store_of_home,
)
from drpo.home.manifest import Entry, Manifest, Note, entry_of, is_own, key_of, names_in
from drpo.home.object_store import PATIENCE, ObjectStore
from drpo.home.place import rebased, workspace
from drpo.home.single_files import fetch_file, live_files

log = logging.getLogger(__name__)


def fetch(path: Path) -> None:
    """Bring a file or folder here that is about to be opened, if it lies in a holding.

    Only what is missing or was replaced since is brought. A run that a worker of this machine is
    carrying out is ahead of the object store and left alone.

    Raises:
        FilesAwayError: The store does not answer, and nothing of it is here.
    """
    store, parts = store_of_home(), parts_of(path)
    if store is None or parts is None:
        return
    holding, part = parts
    folder = workspace() / holding
    if is_written_here(folder):
        return
    if holding.partition("/")[0] in LASTING and Note.of(folder).generation is not None:
        return
    try:
        manifest = manifest_of(store, holding)
        if manifest is not None:
            lasting = holding.partition("/")[0] in LASTING
            with one_at_a_time(folder):
                _bring(store, holding, manifest, "" if lasting else part, whole=lasting)
    except FilesAwayError:
        # An outline leaves folders whose files never came.
        if not path.is_file() and not any(one.is_file() for one in path.rglob("*")):
            raise
        log.warning("%s is opened as it was fetched before", path)


def brought(name: str | Path) -> str:
    """A model's or file's name as it is on this machine, with its files here; see `fetch`.

    A name that is no path into the workspace is returned as it is.

    Raises:
        FilesAwayError: The object store does not answer, and nothing of it is here.
    """
    here = rebased(str(name))
    fetch(Path(here))
    return here


def mirror(folder: Path, *, patience: float = PATIENCE) -> None:
    """Make a run's folder what the object store holds, for the worker that goes on with it.

    Where this machine was the last to put it there, what lies here is kept: it may be ahead.

    Raises:
        FilesAwayError: The store does not answer.
    """
    store, parts = store_of_home(patience), parts_of(folder)
    if store is None or parts is None:
        return
    manifest = manifest_of(store, parts[0], believed=0.0)
    if manifest is not None:
        with one_at_a_time(folder):
            _bring(store, parts[0], manifest, "", whole=True)


def outline(folder: Path) -> None:
    """Make the folders that a run has in the object store, so that it can be seen what there is.

    Their files come when they are opened. What is no longer there goes from here, too.
    """
    store, parts = store_of_home(), parts_of(folder)
    if store is None or parts is None or is_written_here(folder):
        return
    try:
        manifest = manifest_of(store, parts[0], believed=holdings.LISTED_SECONDS)
    except FilesAwayError as error:
        log.warning("what is here of %s may be old: %s", parts[0], error)
        return
    if manifest is None:
        return
    with one_at_a_time(folder):
        note = Note.of(folder)
        if note.generation != manifest.generation:
            _forget_gone(folder, note, manifest.files)
            note.keep(folder)
        for inner in {Path(name).parent for name in manifest.files}:
            (folder / inner).mkdir(parents=True, exist_ok=True)


def fetch_all() -> list[Path]:
    """Bring every holding here; returns their folders.

    Raises:
        FilesAwayError: The store does not answer.
    """
    found = []
    for kind in KINDS:
        for name in names_of(kind):
            folder = workspace() / kind / name
            if parts_of(folder) is None or "/" in name or name in ("", ".", ".."):
                continue
            if not is_written_here(folder):
                fetch(folder)
            for live in live_files(folder):
                fetch_file(live)
            found.append(folder)
    return found


def _bring(store: ObjectStore, holding: str, manifest: Manifest, part: str, *, whole: bool) -> None:
    """Make a part of a holding here what the manifest says.

    Args:
        store: The object store.
        holding: The holding.
        manifest: As it was read.
        part: The name of a file or folder in it; empty for all.
        whole: Whether all of what lies here shall be as the manifest says, or be ahead of it.
    """
    folder = workspace() / holding
    for again in range(TRIES):
        note = Note.of(folder)
        ahead = note.generation == manifest.generation
        try:
            for name, entry in manifest.within(part).items():
                if _wants(folder, note, name, entry, ahead=ahead):
                    _download(store, folder, key_of(holding, name, entry), name, entry)
                    note.take(folder, name, entry.sha256)
        except FileNotFoundError:
            # Replaced since, with what it named: read what stands now.
            note.keep(folder)
            fresh = manifest_of(store, holding, believed=0.0)
            if fresh is None or again == TRIES - 1:
                raise RunError(f"{holding} was removed while it was being fetched.") from None
            manifest = fresh
            continue
        if not ahead:
            _forget_gone(folder, note, manifest.files, all_of_it=whole)
        if whole:
            note.generation = manifest.generation
        note.keep(folder)
        return


def _wants(folder: Path, note: Note, name: str, entry: Entry, *, ahead: bool) -> bool:
    if ahead and name in note.files:
        return False  # changed or removed here since: that is how it goes on
    if note.sha_of(folder, name) == entry.sha256:
        return False
    return not (ahead and (folder / name).exists())


def _download(store: ObjectStore, folder: Path, key: str, name: str, entry: Entry) -> None:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        for _ in range(TRIES):
            store.get(key, beside)
            if entry_of(beside) == entry:
                beside.replace(target)
                return
    finally:
        beside.unlink(missing_ok=True)
    raise FilesAwayError(
        f"{store.url}/{key} does not hold what its manifest says, after {TRIES} downloads; put it "
        "back from a backup, or resume the run on the machine that wrote it."
    )


def _forget_gone(
    folder: Path, note: Note, files: Mapping[str, Entry], *, all_of_it: bool = False
) -> None:
    """Remove what was fetched and is no longer there, or whatever is not there."""
    here = names_in(folder) if all_of_it else [n for n in note.files if note.sha_of(folder, n)]
    for name in here:
        if name not in files:
            (folder / name).unlink(missing_ok=True)
    note.files = {name: told for name, told in note.files.items() if name in files}
    inner = [path for path in folder.rglob("*") if path.is_dir()]
    kept = {parent for name in files for parent in Path(name).parents}
    for path in sorted(inner, reverse=True):
        where = path.relative_to(folder)
        if where not in kept and not is_own(where.as_posix()) and not any(path.iterdir()):
            path.rmdir()
