"""The workspace that version 0.1.0 left behind: what is in it, and how it is unpacked.

How it was made, and what it holds, stands in `fixtures/workspace_773667e.md`.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drpo.store import Store

FIXTURE = Path(__file__).parent / "fixtures" / "workspace_773667e.tar.xz"
MADE_IN = "/tmp/drpo-old-workspace"
"""The folder it was made in: PEFT writes the start policy's whole path into an adapter."""
DATABASE = Path("workspace", "drpo.sqlite")


@dataclass(frozen=True)
class OldWorkspace:
    """The unpacked workspace, opened by this version."""

    root: Path
    """Holds `workspace`, and `data` and `models`, which its settings name relative to it."""
    store: Store
    figures: dict[str, Any]
    """What the old version found in it."""
    straight: dict[str, Any]
    """Curves, files and environment of the run that was never stopped."""

    def files(self, pattern: str) -> list[Path]:
        """Files of the workspace, sorted."""
        return sorted((self.root / "workspace").glob(pattern))


def unpacked(root: Path, patch: pytest.MonkeyPatch) -> Iterator[OldWorkspace]:
    """Unpack it, and make its folder the one to work in."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(root, filter="data")
    patch.chdir(root)
    patch.setenv("DRPO_HOME", str(root / "workspace"))
    patch.delenv("DRPO_DATABASE_URL", raising=False)
    store = Store()
    read = {
        name: json.loads((root / "expected" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("figures", "straight")
    }
    yield OldWorkspace(root, store, **read)
    store.close()


def links() -> list[str]:
    """Addresses that the old version's dashboard wrote, without the machine."""
    with tarfile.open(FIXTURE) as archive:
        file = archive.extractfile("links.txt")
        assert file is not None
        return file.read().decode().split()
