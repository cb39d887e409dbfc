"""Files and folders that are whole or not there: written beside their place, then renamed.

Whoever reads such a file sees the old one or the new one, never a half, however its writer ends.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


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
