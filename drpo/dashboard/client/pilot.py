"""Pilots: the plan of paired runs with and without resets, what came of it, what was decided."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drpo.dashboard.client.access import asks
from drpo.dashboard.client.store import see_that_inputs_are_allowed, store
from drpo.files import read_json
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
from drpo.store import workspace
from drpo.system import jobs
from drpo.system.control import RESUMABLE
from drpo.system.jobs import Status

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
    "Status",
    "advice",
    "change",
    "create",
    "decide",
    "every",
    "launch",
    "look",
    "look_status",
    "members",
    "progress",
    "result_of",
    "scale_cost",
    "scaled",
    "stop",
    "stop_looking",
]
LOOK_SECONDS = 240.0
"""How long to draw before a pilot's first run."""


def _story(pilot: Pilot, *_: object, **__: object) -> str:
    """What a pilot's runs are known by."""
    return pilot.story


def _to_queue(pilot: Pilot) -> int:
    """How many of its runs are not there yet, or ended early."""
    planned = (member.run for member in members(pilot))
    return sum(run is None or run.status in RESUMABLE for run in planned)


def every() -> list[Pilot]:
    """All pilots, the one changed last first."""
    return design.every(store())


@asks("launch", made=_story)
def create(name: str, settings: Mapping[str, Any]) -> Pilot:
    """Start a pilot; see `design.create`."""
    see_that_inputs_are_allowed(settings)
    return design.create(store(), name, settings)


@asks("launch", what=_story)
def change(pilot: Pilot, **changes: Any) -> Pilot:  # noqa: ANN401 - fields of Pilot
    """Change what will be run, while nothing has been queued; see `design.plan`."""
    see_that_inputs_are_allowed(changes.get("settings", {}))
    return design.plan(store(), pilot, **changes)


def members(pilot: Pilot) -> list[Member]:
    """All runs of a pilot, seed by seed."""
    return design.members(store(), pilot)


@asks("launch", what=_story, runs=_to_queue)
def launch(pilot: Pilot) -> None:
    """Queue what is planned and not there yet; see `design.launch`."""
    see_that_inputs_are_allowed(pilot.settings)
    design.launch(store(), pilot)


@asks("stop", what=_story)
def stop(pilot: Pilot) -> None:
    """Ask all live runs of a pilot to save and stop."""
    design.stop(store(), pilot)


def result_of(pilot: Pilot) -> PilotResult:
    """Judge a pilot by the seeds that have finished in both arms so far."""
    return result.read(store(), pilot)


@asks("decide", what=_story)
def decide(
    pilot: Pilot, choice: Choice, *, who: str, note: str, scale: Mapping[str, float]
) -> None:
    """Write down what a person decided; see `design.decide`."""
    design.decide(store(), pilot, choice, who=who, note=note, scale=scale)


@asks("launch", what=_story)
def look(pilot: Pilot) -> None:
    """Draw from a pilot's start policy in a process of its own, before anything is trained."""
    see_that_inputs_are_allowed(pilot.settings)
    folder, config = _looked_at(pilot), pilot.config("resets", pilot.seeds[0])
    folder.parent.mkdir(parents=True, exist_ok=True)
    options = {"config": config.model_dump(mode="json"), "seconds": LOOK_SECONDS}
    jobs.start(folder, "drpo.advice.job", options)


def look_status(pilot: Pilot) -> Status:
    """Say how the drawing stands."""
    return jobs.status(_looked_at(pilot))


@asks("stop", what=_story)
def stop_looking(pilot: Pilot) -> None:
    """Stop the drawing."""
    jobs.stop(_looked_at(pilot))


def advice(pilot: Pilot) -> dict[str, Any]:
    """What the drawing came to, as `drpo.advice.advise.document` has it."""
    return read_json(_looked_at(pilot) / "result.json")


def _looked_at(pilot: Pilot) -> Path:
    """One folder for one choice of data and models: another choice has not been looked at."""
    named = "\n".join(str(pilot.settings.get(leaf)) for leaf in ("data", "policy", "reward_model"))
    return workspace() / "advice" / hashlib.sha256(named.encode()).hexdigest()[:16]
