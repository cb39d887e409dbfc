"""The models of a workspace, by name."""

from __future__ import annotations

from pathlib import Path

from drpo.home import exists, home_url, workspace
from drpo.modeling.packaged_models import KNOWN


def folder_of(name: str) -> Path:
    """Where a model of this workspace lies, or would."""
    return workspace() / "models" / name


def is_added(name: str) -> bool:
    """Whether a model is in this workspace."""
    folder = folder_of(name)
    return (folder / "config.json").is_file() or (home_url() is not None and exists(folder))


def added() -> list[Path]:
    """The folders of the models that are in this workspace."""
    return [folder_of(name) for name in KNOWN if is_added(name)]
