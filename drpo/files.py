"""Files and folders that are whole or not there: written beside their place, then renamed.

Whoever reads such a file sees the old one or the new one, never a half, however its writer ends.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHECKSUMS = "checksums.json"
"""The file in a folder that says what the others hold."""


FULL = (
    "no space left on device",
    "os error 28",
    "database or disk is full",
    "disk quota exceeded",
    "[enforce fail at inline_container",
)
"""What libraries say of a full disk whose errors are no OSError: safetensors, SQLite, torch."""


def disk_is_full(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that a disk or a quota is full."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(words in str(seen).lower() for words in FULL):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextmanager
def whole_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Lend a path beside `path`; what is written there takes its place at the end of the block.

    An error in the block leaves `path` as it was. Several writers do not disturb one another: the
    last one to end stands.

    Args:
        path: The file; its folder exists.
        durable: Also wait until the disk has it, for what no power cut may take.

    Raises:
        OSError: The folder is missing, full or read-only.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield beside
        if durable:
            _flush(beside)
        beside.replace(path)
        if durable:
            _flush(path.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Lend an empty folder beside `path`, which takes its place at the end of the block.

    An error in the block leaves `path` as it was. There is one writer at a time; what an earlier
    one left beside when it was killed is removed.

    Args:
        path: The folder; those above it are made.
        durable: Also wait until the disk has all of it, for what no power cut may take.

    Raises:
        OSError: The place is full or read-only.
    """
    beside = path.with_name(f".{path.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        if durable:
            for part in sorted(beside.rglob("*")):
                _flush(part)
            _flush(beside)
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if path.exists():
            path.rename(old)
        beside.rename(path)
        if durable:
            _flush(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def restore_replaced(directory: Path) -> None:
    """Give folders their names back whose writer died between taking the old away and its rename.

    For the one process that may write there.

    Args:
        directory: Where folders were written with `whole_folder`.
    """
    for old in directory.glob(".*.old"):
        folder = old.with_name(old.name.removeprefix(".").removesuffix(".old"))
        if not folder.exists():
            old.rename(folder)


def write_whole(path: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Write a file, text as UTF-8; see `whole_file`.

    Raises:
        OSError: The folder is missing, full or read-only.
    """
    with whole_file(path, durable=durable) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


def last_lines(path: Path, limit: int = 16_000) -> str:
    """The last lines of a file, whole ones, of at most so many bytes, without reading the rest."""
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - limit))
        text = file.read().decode("utf-8", errors="replace")
    return text if length <= limit else text.partition("\n")[2]


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a small document that other processes read meanwhile; see `whole_file`.

    Raises:
        OSError: The folder is missing, full or read-only.
    """
    write_whole(path, json.dumps(document))


def read_json(path: Path) -> dict[str, Any]:
    """Read a small document; empty where there is none, or none of ours."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_checksums(folder: Path) -> None:
    """Write down what every file in a folder should hold, in `checksums.json` beside them.

    Taken from the files as they lie, so that a disk that wrote something else is seen as well as
    one that turns a bit later.

    Raises:
        OSError: A file cannot be read, or the list not written.
    """
    sums = {name: _checksum(folder / name) for name in _files_in(folder)}
    (folder / CHECKSUMS).write_text(json.dumps({"sha256": sums}, indent=1), encoding="utf-8")


def damaged_files(folder: Path, within: str = "") -> list[str] | None:
    """Compare a folder with what `write_checksums` wrote down.

    Args:
        folder: The folder.
        within: Look only at the part of it below this name.

    Returns:
        The files that are missing or hold something else, by name; None where nothing was written
        down, as an earlier version did not.
    """
    if not (folder / CHECKSUMS).is_file():
        return None
    sums = read_json(folder / CHECKSUMS).get("sha256")
    if not isinstance(sums, dict) or not sums:
        return [CHECKSUMS]
    return sorted(
        name
        for name, expected in sums.items()
        if name.startswith(within) and _holds_other(folder / name, expected)
    )


def _holds_other(path: Path, checksum: str) -> bool:
    try:
        return _checksum(path) != checksum
    except (OSError, ValueError):  # gone, unreadable, or damage has made its name no name
        return True


def _files_in(folder: Path) -> list[str]:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return sorted(names - {CHECKSUMS})


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
