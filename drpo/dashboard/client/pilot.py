"""Pilots: the plan of paired runs with and without resets, what came of it, what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drpo.dashboard.client.store import see_that_inputs_are_allowed, store
from drpo.pilot import design, result
from drpo.pilot.design import (
    ARMS,
    CHOICES,
    STEPS,
    Arm,
    Choice,
    Member,
    Pilot,
    progress,
    scaled,
)
from drpo.pilot.result import ArmResult, PilotResult, ScaleCost, scale_cost

__all__ = [
    "ARMS",
    "CHOICES",
    "STEPS",
    "Arm",
    "ArmResult",
    "Choice",
    "Member",
    "Pilot",
    "PilotResult",
    "ScaleCost",
    "change",
    "create",
    "decide",
    "every",
    "launch",
    "members",
    "progress",
    "result_of",
    "scale_cost",
    "scaled",
    "stop",
]


def every() -> list[Pilot]:
    """All pilots, the one changed last first."""
    return design.every(store())


def create(name: str, settings: Mapping[str, Any]) -> Pilot:
    """Start a pilot; see `design.create`."""
    see_that_inputs_are_allowed(settings)
    return design.create(store(), name, settings)


def change(pilot: Pilot, **changes: Any) -> Pilot:  # noqa: ANN401 - fields of Pilot
    """Change what will be run, while nothing has been queued; see `design.plan`."""
    see_that_inputs_are_allowed(changes.get("settings", {}))
    return design.plan(store(), pilot, **changes)


def members(pilot: Pilot) -> list[Member]:
    """All runs of a pilot, seed by seed."""
    return design.members(store(), pilot)


def launch(pilot: Pilot) -> None:
    """Queue what is planned and not there yet; see `design.launch`."""
    see_that_inputs_are_allowed(pilot.settings)
    design.launch(store(), pilot)


def stop(pilot: Pilot) -> None:
    """Ask all live runs of a pilot to save and stop."""
    design.stop(store(), pilot)


def result_of(pilot: Pilot) -> PilotResult:
    """Judge a pilot by the seeds that have finished in both arms so far."""
    return result.read(store(), pilot)


def decide(
    pilot: Pilot, choice: Choice, *, who: str, note: str, scale: Mapping[str, float]
) -> None:
    """Write down what a person decided; see `design.decide`."""
    design.decide(store(), pilot, choice, who=who, note=note, scale=scale)
