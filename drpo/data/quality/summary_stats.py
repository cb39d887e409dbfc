"""The numbers behind the report's pictures, and the intervals beside its shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from drpo.data.pairs import Pair
from drpo.data.quality.checks import Lengths
from drpo.stats.intervals import wilson

BINS = 30
GRID = 24


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return mean, quartiles and extremes; empty for no values."""
    if not len(values):
        return {}
    array = np.asarray(values, dtype=np.float64)
    low, quarter, half, three, high = np.quantile(array, [0, 0.25, 0.5, 0.75, 1])
    return {
        "mean": float(array.mean()),
        "min": float(low),
        "quarter": float(quarter),
        "median": float(half),
        "three_quarters": float(three),
        "p95": float(np.quantile(array, 0.95)),
        "max": float(high),
    }


def histogram(**series: Sequence[float]) -> dict[str, Any]:
    """Count several series in the same bins; what lies beyond the 99th percentile is in the last.

    Returns:
        `edges` (one more than there are bins) and a list of counts for each series.
    """
    every = np.concatenate([np.asarray(values, dtype=np.float64) for values in series.values()])
    if not len(every):
        return {"edges": [], **{name: [] for name in series}}
    low, high = float(every.min()), float(np.quantile(every, 0.99))
    whole = bool(np.all(every == np.floor(every)))
    high = max(high, low + (1 if whole else 1e-9))
    count = min(BINS, int(high - low) + 1) if whole else BINS
    edges = np.linspace(low, high + (1 if whole else 0), count + 1)
    if whole:  # bins of a whole number of values each, or some would look twice as full
        width = max(1, math.ceil((high - low + 1) / BINS))
        edges = np.arange(low, high + width + 1, width)[: BINS + 2]
    counted = {
        name: np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].tolist()
        for name, values in series.items()
    }
    return {"edges": [round(float(edge), 6) for edge in edges], **counted}


def share_interval(hits: float, count: int) -> dict[str, float | None]:
    """A share as the report has it: 0 of nothing, with the interval that is always true."""
    found = wilson(hits, count)
    return {"share": found.value or 0.0, "low": found.low, "high": found.high, "count": count}


def length_bias(lengths: Lengths) -> dict[str, Any]:
    """How often the longer answer was chosen: what a "longer wins" rule would get right."""
    chosen, rejected = np.asarray(lengths.chosen), np.asarray(lengths.rejected)
    decided = chosen != rejected
    longer = int((chosen > rejected).sum())
    top = float(np.quantile(np.concatenate([chosen, rejected]), 0.98)) if len(chosen) else 1.0
    edges = np.linspace(0, max(top, 1.0), GRID + 1)
    grid, _, _ = np.histogram2d(
        np.clip(rejected, 0, edges[-1]), np.clip(chosen, 0, edges[-1]), bins=[edges, edges]
    )
    return {
        "longer_wins": share_interval(longer, int(decided.sum())),
        "equal_lengths": int((~decided).sum()),
        "grid": {"edges": edges.round(3).tolist(), "counts": grid.astype(int).tolist()},
    }


def margins(pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """How clearly chosen answers were preferred, where the data say so."""
    stated = [pair.margin for pair in pairs if pair.margin is not None]
    kind = "margin"
    if not stated:
        kind = "gold"
        stated = [
            pair.gold_chosen - pair.gold_rejected
            for pair in pairs
            if pair.gold_chosen is not None and pair.gold_rejected is not None
        ]
    if not stated:
        return None
    wrong = sum(value < 0 for value in stated)
    decided = sum(value != 0 for value in stated)
    return {
        "kind": kind,
        "summary": summary(stated),
        "histogram": histogram(margin=stated),
        "against": share_interval(wrong, decided),
    }


def divergence(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Where the two answers part: how many characters of their beginnings they share."""
    shared = []
    for pair in pairs:
        low = 0
        for first, second in zip(pair.chosen[:200], pair.rejected[:200], strict=False):
            if first != second:
                break
            low += 1
        shared.append(low)
    turns = [pair.prompt.count("\n\nHuman:") for pair in pairs]
    return {
        "shared_characters": {"summary": summary(shared), "histogram": histogram(shared=shared)},
        "turns": histogram(turns=turns) if any(turns) else None,
    }
