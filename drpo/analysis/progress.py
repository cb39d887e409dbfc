"""How long a run is, as far as its settings say."""

from __future__ import annotations

from drpo.config.methods import UPDATING
from drpo.store.schema import LIVE_STATUSES, Run

COUNTED = ("training", "evaluation", "paused")
"""Stages in which a run's own updates are what counts, not steps of the stage."""


def updates_of(run: Run) -> int | None:
    """Policy updates that a run makes in all; None where its method, as SFT or DPO, makes none."""
    planned: int = run.config["ppo"]["updates"]
    return planned if run.config["run"]["method"] in UPDATING else None


def counts_updates(run: Run) -> bool:
    """Whether progress is counted in policy updates, or in steps of a stage before them."""
    live = run.status in LIVE_STATUSES
    return updates_of(run) is not None and (run.stage in COUNTED or not live)


def axis_end(run: Run) -> int:
    """Where a chart over a run's steps ends: its planned updates, else the steps it has."""
    return updates_of(run) or run.step
