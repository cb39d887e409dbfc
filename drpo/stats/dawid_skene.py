"""Who of several annotators is right how often, without knowing the truth: Dawid and Skene's EM.

Source: Dawid and Skene 1979, Maximum likelihood estimation of observer error-rates using the EM
algorithm. Each annotator has a table of how often each true class is called which; the truth of an
item is what makes all their calls most probable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEPS, TOLERANCE = 100, 1e-6
PRIOR = 0.5
"""Calls that every cell of a table begins with, so that few votes do not make certainty."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Truth:
    """What the annotators' calls say together."""

    posterior: Floats
    """Probability of each class, items by classes."""
    tables: Floats
    """P(called | true), annotators by true by called."""
    classes: Floats
    """Share of each true class."""

    @property
    def reliability(self) -> Floats:
        """How probable each annotator's call is the true class."""
        return np.asarray(np.einsum("c,acc->a", self.classes, self.tables))


def dawid_skene(items: Ints, annotators: Ints, calls: Ints, *, classes: int) -> Truth:
    """Estimate truth and tables together.

    Args:
        items: Which item each call is of, from 0 without gaps.
        annotators: Who called, likewise.
        calls: What was called, in [0, classes).
        classes: How many classes there are.
    """
    posterior = np.full((int(items.max()) + 1, classes), 1e-9)
    np.add.at(posterior, (items, calls), 1.0)
    posterior /= posterior.sum(1, keepdims=True)  # the shares of votes
    for _ in range(STEPS):
        shares = posterior.mean(0)
        tables = np.full((int(annotators.max()) + 1, classes, classes), PRIOR)
        np.add.at(tables.transpose(0, 2, 1), (annotators, calls), posterior[items])
        tables /= tables.sum(2, keepdims=True)
        logs = np.tile(np.log(shares + 1e-12), (len(posterior), 1))
        np.add.at(logs, items, np.log(tables[annotators, :, calls]))
        logs -= logs.max(1, keepdims=True)
        updated = np.exp(logs)
        updated /= updated.sum(1, keepdims=True)
        moved = float(np.abs(updated - posterior).max())
        posterior = updated
        if moved < TOLERANCE:
            break
    return Truth(posterior, tables, posterior.mean(0))
