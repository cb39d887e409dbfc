"""The workspace's store, opened once in a process."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from drpo.store import Store, workspace


def store() -> Store:
    """Open the store of the workspace; it is made where there is none."""
    return _opened(os.environ.get("DRPO_DATABASE_URL"), workspace())


def store_if_there() -> Store | None:
    """Open the store of the workspace, unless opening it would make one."""
    there = os.environ.get("DRPO_DATABASE_URL") or (workspace() / "drpo.sqlite").is_file()
    return store() if there else None


@cache
def _opened(url: str | None, _home: Path) -> Store:
    return Store(url)
