"""Runs: what one would cost, starting it, controlling it while it goes on, keeping house."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from drpo.config.run_config import RunConfig
from drpo.dashboard.client.access import asks
from drpo.dashboard.client.opened import opened
from drpo.dashboard.client.store import see_that_inputs_are_allowed, store
from drpo.executors import installed
from drpo.executors.interface import worker_log
from drpo.i18n.message import Message
from drpo.runs import answer_lengths, event_words, housekeeping, preflight, prompt_visits
from drpo.runs import estimate as estimates
from drpo.runs.added_models import added
from drpo.runs.answer_lengths import CutAnswers
from drpo.runs.demo import HOW_TO_ADD, REAL_TASK, SAMPLES, STORIES, TASKS, Story, demo_config
from drpo.runs.estimate import Estimate
from drpo.runs.housekeeping import LONGEST_NAME, bytes_of
from drpo.runs.places import of_run as places_of_run
from drpo.runs.places import where
from drpo.runs.supervisor import Supervisor
from drpo.store.schema import Run
from drpo.system import control, processes
from drpo.system.control import RESUMABLE, can_pause, live_settings, resume_settings
from drpo.system.processes import Gpu, gpu_use, seconds_silent

__all__ = [
    "HOW_TO_ADD",
    "LONGEST_NAME",
    "REAL_TASK",
    "RESUMABLE",
    "SAMPLES",
    "STORIES",
    "TASKS",
    "Estimate",
    "Gpu",
    "Story",
    "added",
    "bytes_of",
    "can_pause",
    "change_settings",
    "delete",
    "demo_config",
    "erase",
    "estimate",
    "event_words",
    "gpu_use",
    "gpus",
    "installed",
    "launch",
    "launch_story",
    "live_settings",
    "mark",
    "pause",
    "places_of_run",
    "rename",
    "restore",
    "resume",
    "resume_settings",
    "seconds_silent",
    "stop",
    "supervisor",
    "tag",
    "where",
    "worker_log",
]


@st.cache_resource(show_spinner=False)
def supervisor() -> Supervisor:
    """The background thread that starts queued runs and looks after live ones.

    With `DRPO_SUPERVISE=0` it stays still: `drpo supervise` does that, on the machine that trains.
    """
    thread = Supervisor(opened())
    if os.environ.get("DRPO_SUPERVISE", "").strip() != "0":
        thread.start()
    return thread


def _if_ended(run_id: str, *_: object, **__: object) -> int:
    """A paused run is counted already; one that has ended is queued again."""
    return int(store().runs.get(run_id).status in RESUMABLE)


@st.cache_resource(show_spinner=False)
def gpus() -> list[str]:
    """The GPUs of this machine that runs may use."""
    return processes.gpus()


def estimate(config: RunConfig) -> Estimate:
    """What a run would cost.

    Raises:
        DrpoError: That cannot be said.
    """
    see_that_inputs_are_allowed(config.flat())
    return estimates.estimate_run(config, store())


def cut_answers(config: RunConfig) -> CutAnswers | None:
    """What the length limit of a run does to the answers of its data; None where unknown.

    Raises:
        DrpoError: A screen may not name these inputs.
    """
    see_that_inputs_are_allowed(config.flat())
    return answer_lengths.cut_answers(config, store())


def few_visits(config: RunConfig) -> Message | None:
    """What speaks against a rule that remembers prompts, where a run hardly meets one twice.

    Raises:
        DrpoError: A screen may not name these inputs.
    """
    see_that_inputs_are_allowed(config.flat())
    return prompt_visits.few_visits(config)


@asks("launch", made=lambda run: run.id, runs=lambda _config: 1)
def launch(config: RunConfig) -> Run:
    """Check a run's settings and inputs, then queue it.

    Raises:
        DrpoError: Something is wrong; nothing was queued.
    """
    see_that_inputs_are_allowed(config.flat())
    preflight.check(config, store())
    return store().runs.create(config)


@asks(
    "launch",
    what=lambda story: story.name,
    made=lambda runs: runs[0].story,
    runs=lambda story: len(story.configs()),
)
def launch_story(story: Story) -> list[Run]:
    """Check and queue both runs of a story.

    Raises:
        DrpoError: Something is wrong; nothing was queued.
    """
    for config in story.configs():
        preflight.check(config, store())
    return story.launch(store())


@asks("pause")
def pause(run_id: str, who: str) -> None:
    """Ask a run to pause; see `control.pause`."""
    control.pause(store(), run_id, who)


@asks("resume", runs=_if_ended)
def resume(run_id: str, who: str, settings: Mapping[str, Any] | None = None) -> None:
    """Let a run go on; see `control.resume`."""
    control.resume(store(), run_id, who, settings)


@asks("stop")
def stop(run_id: str, who: str) -> None:
    """Ask a run to save and stop; see `control.stop`."""
    control.stop(store(), run_id, who)


@asks("settings")
def change_settings(run_id: str, settings: Mapping[str, Any], who: str) -> None:
    """Give a live run new values; see `control.change_settings`."""
    control.change_settings(store(), run_id, settings, who)


@asks("organise")
def rename(run_id: str, name: str) -> None:
    """Give a run another name; see `housekeeping.rename`."""
    housekeeping.rename(store(), run_id, name)


@asks("organise")
def tag(run_id: str, tags: Sequence[str]) -> None:
    """Replace a run's tags; see `housekeeping.tag`."""
    housekeeping.tag(store(), run_id, tags)


@asks("organise")
def mark(run_id: str, column: Literal["pinned", "archived"], *, on: bool) -> None:
    """Pin or archive a run, or take that back."""
    store().runs.change(run_id, **{column: on})


@asks("delete")
def delete(run_id: str) -> None:
    """Take a run out of the lists; see `housekeeping.delete`."""
    housekeeping.delete(store(), run_id)


@asks("delete")
def restore(run_id: str) -> None:
    """Bring a deleted run back; see `housekeeping.restore`."""
    housekeeping.restore(store(), run_id)


@asks("erase")
def erase(run_id: str) -> None:
    """Remove a deleted run for good; see `housekeeping.erase`."""
    housekeeping.erase(store(), run_id)
