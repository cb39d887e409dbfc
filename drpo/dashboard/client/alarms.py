"""Alarms: what raised a hand in a run, and what a person decides about it."""

from __future__ import annotations

from drpo.alarms import handler
from drpo.alarms.alarms import Choice, Evidence
from drpo.alarms.handler import Raised
from drpo.dashboard.client.access import asks
from drpo.dashboard.client.store import store

__all__ = ["Choice", "Evidence", "Raised", "alarms_of", "decide"]


def alarms_of(run_id: str) -> list[Raised]:
    """The alarms of a run, newest first."""
    return handler.alarms_of(store(), run_id)


@asks("decide")
def decide(run_id: str, event_id: int, choice: Choice, who: str) -> None:
    """Write down what a person chose, and ask the run to do it; see `handler.decide`."""
    handler.decide(
        store(), run_id, event_id, choice.kind, who=who, setting=choice.setting, value=choice.value
    )
