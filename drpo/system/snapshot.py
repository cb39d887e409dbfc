"""Second names for files, so that a folder can be read as it was while it is written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

LEFT_OUT = (".lock", ".part", ".old", "-wal", "-shm", "-journal")
"""Ends of names that mean something to living processes alone."""


def freeze(folder: Path, place: Path, leave_out: Callable[[Path], bool]) -> None:
    """Make a folder's files as they are now appear in another, without copying them.

    Files are written beside and renamed, so a second name for one keeps what it holds, also when
    its first is removed or replaced.

    Args:
        folder: What is frozen; links in it are left out.
        place: An empty folder on the same disk.
        leave_out: Asked of each file that could be taken.
    """
    for at, inner, names in os.walk(folder):
        inner[:] = sorted(one for one in inner if not one.endswith(LEFT_OUT))
        for name in names:
            path = Path(at) / name
            if name.endswith(LEFT_OUT) or path.is_symlink() or leave_out(path):
                continue
            target = place / path.relative_to(folder)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                _second_name(path, target)
            except FileNotFoundError:
                continue  # a run has thinned its checkpoints


def _second_name(path: Path, target: Path) -> None:
    if path.suffix in (".log", ".txt") or ".tfevents." in path.name or not path.is_file():
        shutil.copy2(path, target)  # still written to: a second name would grow with it
        return
    try:
        target.hardlink_to(path)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(path, target)
