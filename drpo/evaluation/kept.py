"""What evaluations leave in the store, for those who read it without loading a model."""

from __future__ import annotations

import hashlib
from typing import Any

from drpo.store import Store

KIND = "evaluation"
"""Documents of one policy, under `RUN@STEP`."""
COMPARISON_KIND = "comparison"
"""Documents of two policies and one judge."""
LONGEST_KEY = 128
"""What the store's key column holds."""


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
