"""What evaluations leave in the store, for those who read it without loading a model."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from drpo.store import Store
from drpo.store.schema import Run

KIND = "evaluation"
"""Documents of one policy, under `RUN@STEP`."""
COMPARISON_KIND = "comparison"
"""Documents of two policies and one judge."""
LONGEST_KEY = 128
"""What the store's key column holds."""


def standing_step(run: Run, kept: Collection[int]) -> int | None:
    """The step whose policy stands for a run; None before there is one to evaluate.

    That of its last evaluation, whose answers and figures the screens show; a run that was stopped
    later has a newer policy. That one counts where the evaluated policy was not kept, as of large
    models, and after a resume, until the next evaluation.

    Args:
        run: The run.
        kept: Steps of its own policies that are kept, the start policy's not among them.
    """
    last = (run.summary.get("last") or {}).get("step", 0)
    if last and (last in kept or not kept):
        return int(last)
    return max(kept, default=None)


def evaluation_of(store: Store, run_id: str, step: int) -> dict[str, Any] | None:
    """The kept evaluation of a run's policy at a step, or None."""
    return store.documents.get(KIND, f"{run_id}@{step}")


def comparison_of(store: Store, subject: str, other: str, judge: str) -> dict[str, Any] | None:
    """How one policy fared against another, as one judge saw it, or None.

    Args:
        store: Where it was kept.
        subject: `RUN@STEP` of the policy whose wins are counted.
        other: `RUN@STEP` of its opponent.
        judge: The judge's name.
    """
    return store.documents.get(COMPARISON_KIND, comparison_key(subject, other, judge))


def comparison_key(subject: str, other: str, judge: str) -> str:
    """`SUBJECT~OTHER~JUDGE`; where that is too long its end is a hash, so that none collide."""
    key = f"{subject}~{other}~{judge}"
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return f"{key[: LONGEST_KEY - 17]}~{digest}"
