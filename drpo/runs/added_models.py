"""The models of a workspace, by name."""

from __future__ import annotations

from pathlib import Path

from drpo.modeling.packaged_models import KNOWN
from drpo.store import workspace


def folder_of(name: str) -> Path:
    """Where a model of this workspace lies, or would."""
    return workspace() / "models" / name


def is_added(name: str) -> bool:
    """Whether a model is in this workspace."""
    return (folder_of(name) / "config.json").is_file()


def added() -> list[Path]:
    """The folders of the models that are in this workspace."""
    return [folder_of(name) for name in KNOWN if is_added(name)]
