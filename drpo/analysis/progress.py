"""How long a run is, as far as its settings say."""

from __future__ import annotations

from drpo.config.methods import UPDATING
from drpo.store.schema import Run


def updates_of(run: Run) -> int | None:
    """Policy updates that a run makes in all; None where its method, as SFT or DPO, makes none."""
    planned: int = run.config["ppo"]["updates"]
    return planned if run.config["run"]["method"] in UPDATING else None


def axis_end(run: Run) -> int:
    """Where a chart over a run's steps ends: its planned updates, else the steps it has."""
    return updates_of(run) or run.step
