"""What a worker on a cluster's node does beside its work: it makes sure that the run is its own.

A node that was cut off, or a job that waited for long, may come back after the run was given to
another. Nothing that such a worker wrote would be true.
"""

from __future__ import annotations

import logging
import os

from drpo.errors import RunError
from drpo.runs.retries import try_again
from drpo.store import Store
from drpo.store.schema import Run
from drpo.system import processes

log = logging.getLogger(__name__)

GIVEN_UP = 75
"""The status of a worker whose run was given to another (EX_TEMPFAIL)."""


def see_that_it_is_mine(store: Store, run: Run, job: str) -> None:
    """Take a run up for a job, and end this process once the run is given to another.

    Raises:
        RunError: It was already.
    """
    if not store.runs.begin(run.id, job, host=processes.hostname()):
        raise RunError(f"{run.id} was given to another worker than {job}, or taken back.")
    store.guard(run.id, job, _leave)


def _leave() -> None:
    log.error("the run was given to another worker, so this one ends without a further write")
    logging.shutdown()
    os._exit(GIVEN_UP)  # no thread may go on: the run's folder is the other worker's too


def leave_place(store: Store, run_id: str) -> str:
    """Go back into the queue, saved, because the cluster wants the place; returns the status."""
    why = "The cluster took its place back; it saved before it left."
    return _left(store, store.runs.get(run_id), why, "place_taken")


def leave_folder(store: Store, run: Run) -> None:
    """Go back into the queue, because a worker that was given up still holds the run's folder."""
    why = "A worker that was given up still holds the run's folder."
    _left(store, store.runs.get(run.id), why, "folder_held")


def _left(store: Store, run: Run, why: str, how: str) -> str:
    store.unguard()  # what follows gives the run away, on condition that it is still ours
    if try_again(store, run, why, {"how": how}):
        return "queued"
    if store.runs.move(
        run.id,
        from_statuses=("running", "paused"),
        to="interrupted",
        job=None,
        error=f"{why} It can be resumed from its checkpoint.",
    ):
        store.events.add(run.id, run.step, "error", why, {"how": how})
    return "queued"
