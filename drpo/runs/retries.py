"""A run whose worker was lost without its own fault goes back into the queue, a few times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drpo.store import Store
from drpo.store.schema import Run

RETRIES = 3
"""How often, without getting farther than before; what always ends a node must not end them all."""
BY_ITSELF, OVER = "retried", "retries_over"


def try_again(store: Store, run: Run, why: str, payload: Mapping[str, Any]) -> bool:
    """Queue a run to go on from its last checkpoint, and write down why; say whether it was.

    What people asked of it stays asked. One that was asked to stop is not started again, nor one
    that was tried as often as may be.

    Args:
        store: Where the run is kept.
        run: It, as it stood when its worker was lost.
        why: What happened to the worker, in a sentence.
        payload: The same for other languages.
    """
    if any(asked.kind in ("stop", "kill") for asked in store.commands.pending(run.id)):
        return False
    attempt = tries_without_progress(store, run) + 1
    if attempt > RETRIES:
        over = f"Tried again {RETRIES} times without getting farther; it is left to be resumed."
        store.events.add(run.id, run.step, "note", over, {"how": OVER, "most": RETRIES})
        return False
    live = ("running", "paused")
    if not store.runs.requeue(run.id, from_statuses=live, keep_asked=True, job=run.job):
        return False
    if run.status == "paused":
        store.commands.add(run.id, "pause")
    store.events.add(run.id, run.step, "error", why, payload)
    told = f"Queued to go on from its last checkpoint (try {attempt} of {RETRIES})."
    facts = {"how": BY_ITSELF, "attempt": attempt, "most": RETRIES}
    store.events.add(run.id, run.step, "resume", told, facts)
    return True


def tries_without_progress(store: Store, run: Run) -> int:
    """How often it went back into the queue by itself, no farther than now, since a person's."""
    count = 0
    for event in store.events.since(run.id, kinds=("resume",)):
        by_itself = event.payload.get("how") == BY_ITSELF
        count = count + (event.step >= run.step) if by_itself else 0
    return count
