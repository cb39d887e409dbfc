"""Evaluations on the same footing: those that are kept, and the jobs that make more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from drpo.evaluation.frontier import Point, overoptimization, points
from drpo.evaluation.storage import comparison_of, evaluation_of, standing_step
from drpo.system.jobs import Status, Tasks

__all__ = [
    "Point",
    "Status",
    "comparison_of",
    "evaluation_of",
    "job_status",
    "overoptimization",
    "points",
    "standing_step",
    "start_job",
    "stop_job",
]


@st.cache_resource(show_spinner=False)
def _jobs() -> Tasks:
    return Tasks()


def job_status(folder: Path) -> Status:
    """Say how an evaluation stands."""
    return _jobs().status(folder)


def start_job(folder: Path, policies: Sequence[str]) -> None:
    """Evaluate policies, each given as `run@step`, in a process of its own."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _jobs().start(folder, "drpo.evaluation.job", {"runs": list(policies)})


def stop_job(folder: Path) -> None:
    """Stop an evaluation; what it had not finished is gone."""
    _jobs().stop(folder)
