"""Evaluations on the same footing: those that are kept, and the jobs that make more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drpo.dashboard.client.access import asks
from drpo.dashboard.client.store import store
from drpo.evaluation import storage, wording
from drpo.evaluation.frontier import overoptimization
from drpo.evaluation.storage import standing_step
from drpo.system import jobs
from drpo.system.jobs import Status

__all__ = [
    "Status",
    "comparison_of",
    "evaluation_of",
    "job_status",
    "overoptimization",
    "standing_step",
    "start_job",
    "stop_job",
    "wording",
]


def evaluation_of(run_id: str, step: int) -> dict[str, Any] | None:
    """The kept evaluation of a policy; None where there is none."""
    return storage.evaluation_of(store(), run_id, step)


def comparison_of(subject: str, other: str, judge: str) -> dict[str, Any] | None:
    """The kept comparison of two policies, each given as `run@step`; None where there is none."""
    return storage.comparison_of(store(), subject, other, judge)


def job_status(folder: Path) -> Status:
    """Say how an evaluation stands."""
    return jobs.status(folder)


@asks("launch", what=lambda _folder, policies: ", ".join(policies))
def start_job(folder: Path, policies: Sequence[str]) -> None:
    """Evaluate policies, each given as `run@step`, in a process of its own."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    jobs.start(folder, "drpo.evaluation.job", {"runs": list(policies)})


@asks("stop", what=lambda folder: folder.name)
def stop_job(folder: Path) -> None:
    """Stop an evaluation; what it had not finished is gone."""
    jobs.stop(folder)
