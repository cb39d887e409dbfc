"""Which model a saved adapter belongs to: read from small files, without torch."""

from __future__ import annotations

from pathlib import Path

from drpo.files import read_json
from drpo.home import rebased

BESIDE = "adapter"
"""Folder beside a stage's whole weights that holds the adapter they were merged with."""


def full_name(start: str | Path) -> str:
    """Name a model as its adapters do: by its whole path where it is a folder."""
    named = rebased(str(start))
    return str(Path(named).resolve() if Path(named).is_dir() else named)


def adapter_of(folder: str | Path, start: str | Path) -> Path | None:
    """Find the adapter in which a trained model differs from a start model, where one was kept.

    Args:
        folder: The trained model: an adapter, or whole weights with their adapter beside them.
        start: The model that it may have been trained from.
    """
    for place in (Path(folder), Path(folder) / BESIDE):
        settings = place / "adapter_config.json"
        if settings.is_file():
            named = read_json(settings).get("base_model_name_or_path")
            return place if named and full_name(named) == full_name(start) else None
    return None


def reward_adapter(folder: str | Path | None, start: str | Path) -> Path | None:
    """Find the adapter in which a reward model differs from a start policy.

    Args:
        folder: The reward model.
        start: The start policy.

    Returns:
        The adapter's folder; None where the reward model is one of its own weights: brought from
        elsewhere, trained whole, or from another start.
    """
    if folder is None or not (Path(folder) / "config.json").is_file():
        return None
    return adapter_of(Path(folder) / BESIDE, start)
