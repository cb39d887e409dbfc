"""The whole workspace in one file, while runs go on, and back again.

A tar file: `manifest.json` first (what is in it, with the checksum of every file), then the files,
the database last. Files are taken before the database: a run that is restored then goes on from a
checkpoint that its curves have reached, never from one that is ahead of them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from drpo.errors import RunError
from drpo.files import whole_file
from drpo.home import fetch_all, home_url, workspace
from drpo.home.manifest import NOTE
from drpo.store import Store
from drpo.store.schema import VERSION, Base
from drpo.system.snapshot import freeze
from drpo.version import version

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "drpo.sqlite"
_ALONE = (DATABASE, "playground.json")


@dataclass(frozen=True, slots=True)
class Backup:
    """What is in a backup."""

    runs: int
    files: int
    bytes: int
    created_at: float


def backup(out: Path) -> Backup:
    """Write the workspace into one file; runs may go on meanwhile.

    Args:
        out: The file to make.

    Raises:
        RunError: It exists already, its folder does not, or there is no workspace.
        FilesAwayError: The object store that has the files does not answer.
    """
    home = workspace()
    if out.exists() or not out.parent.is_dir():
        what = "exists already" if out.exists() else "lies in a folder that does not exist"
        raise RunError(f"{out} {what}; name a new file in a folder that is there.")
    if not home.is_dir():
        raise RunError(f"There is no workspace {home} to back up; set DRPO_HOME to one.")
    shared = None if home_url() is None else fetch_all()
    with _frozen(home, shared) as frozen:
        store = Store()
        try:
            _copy_database(store, frozen / DATABASE)
            runs = len(store.runs.all(archived=True, limit=10**9))
        finally:
            store.close()
        names = sorted(
            (path.relative_to(frozen).as_posix() for path in frozen.rglob("*") if path.is_file()),
            key=lambda name: (name == DATABASE, name),
        )
        sums = {name: _checksum(frozen / name) for name in names}
        made = Backup(
            runs, len(names), sum((frozen / n).stat().st_size for n in names), time.time()
        )
        manifest = {
            "format": FORMAT,
            "drpo": version(),
            "schema": VERSION,
            "created_at": made.created_at,
            "runs": runs,
            "sha256": sums,
        }
        with whole_file(out, durable=True) as beside, tarfile.open(beside, "w") as archive:
            _add_text(archive, MANIFEST, json.dumps(manifest, indent=1))
            for name in names:
                archive.add(frozen / name, arcname=name, recursive=False)
    return made


def restore(file: Path) -> Backup:
    """Make the workspace from a backup; runs that were live when it was made can be resumed.

    Raises:
        RunError: The workspace is not empty, or the file is no whole backup of this or an earlier
            version.
    """
    if home_url() is not None:
        raise RunError(
            f"A backup is restored into a folder, and DRPO_HOME is {home_url()}: set it to a new "
            "folder, with DRPO_DATABASE_URL unset."
        )
    home = workspace()
    if os.environ.get("DRPO_DATABASE_URL"):
        raise RunError(
            "A backup is restored into a workspace's own store: unset DRPO_DATABASE_URL."
        )
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise RunError(f"{home} is not empty; set DRPO_HOME to a new folder and restore there.")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}.") as place:
        folder = Path(place) / "workspace"
        try:
            with tarfile.open(file, "r:") as archive:
                manifest = _manifest(archive, file)
                archive.extractall(folder, members=_listed(archive, manifest), filter="data")
        except (OSError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{file} is no backup of drpo, or cut off ({error}).") from error
        sums: dict[str, str] = manifest["sha256"]
        wrong = [name for name in sums if not _is_as_written(folder / name, sums[name])]
        if wrong:
            raise RunError(
                f"{file} is damaged: {', '.join(wrong[:3])} {'is' if len(wrong) == 1 else 'are'} "
                "not what was written. Nothing was restored."
            )
        if home.exists():
            home.rmdir()
        folder.rename(home)
    store = Store(f"sqlite:///{home / DATABASE}")
    try:
        _end_live_runs(store)
    finally:
        store.close()
    size = sum((home / name).stat().st_size for name in sums)
    return Backup(int(manifest["runs"]), len(sums), size, float(manifest["created_at"]))


@contextmanager
def _frozen(home: Path, shared: Sequence[Path] | None) -> Iterator[Path]:
    """Lend a folder that holds the workspace's files as they are now, without copying them.

    Args:
        home: The workspace.
        shared: Its folders that an object store holds, where one does; nothing else of it then.
    """
    with tempfile.TemporaryDirectory(dir=home, prefix=".backup-", suffix=".part") as place:
        for folder in (home,) if shared is None else shared:
            freeze(
                folder,
                Path(place) / folder.relative_to(home),
                lambda path: path.name == NOTE or (path.parent == home and path.name in _ALONE),
            )
        yield Path(place)


def _copy_database(store: Store, target: Path) -> None:
    """Copy the store as it is at one moment."""
    if store.engine.dialect.name == "sqlite":
        with (
            closing(sqlite3.connect(target)) as copy,
            closing(store.engine.raw_connection()) as source,
        ):
            source.driver_connection.backup(copy)  # type: ignore[union-attr]
        return
    other = Store(f"sqlite:///{target}")
    try:
        with (
            store.engine.connect().execution_options(isolation_level="REPEATABLE READ") as source,
            other.engine.begin() as sink,
        ):
            for table in Base.metadata.sorted_tables:
                sink.execute(table.delete())
                rows = source.execute(table.select()).mappings()
                while batch := rows.fetchmany(1_000):
                    sink.execute(table.insert(), [dict(row) for row in batch])
    finally:
        other.close()


def _end_live_runs(store: Store) -> None:
    for run in store.runs.all(statuses=("running", "paused"), archived=True, limit=10**9):
        store.runs.change(
            run.id,
            status="interrupted",
            pid=None,
            pid_started=None,
            error="Restored from a backup that was made while it went on; it can be resumed.",
        )


def _manifest(archive: tarfile.TarFile, file: Path) -> dict[str, Any]:
    first = archive.next()
    if first is None or first.name != MANIFEST:
        raise RunError(f"{file} is no backup of drpo: {MANIFEST} does not come first.")
    stream = archive.extractfile(first)
    manifest: dict[str, Any] = json.loads(stream.read()) if stream is not None else {}
    if manifest["format"] != FORMAT or manifest["schema"] > VERSION:
        raise RunError(
            f"{file} was made by drpo {manifest.get('drpo', 'of another version')}; update drpo."
        )
    return manifest


def _listed(archive: tarfile.TarFile, manifest: dict[str, Any]) -> Iterator[tarfile.TarInfo]:
    """Only plain files that the manifest names, inside the folder."""
    for member in archive:
        inside = ".." not in PurePosixPath(member.name).parts and not member.name.startswith("/")
        if member.isreg() and inside and member.name in manifest["sha256"]:
            yield member


def _is_as_written(path: Path, expected: str) -> bool:
    return path.is_file() and _checksum(path) == expected


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    about = tarfile.TarInfo(name)
    about.size, about.mtime = len(content), int(time.time())
    archive.addfile(about, io.BytesIO(content))
