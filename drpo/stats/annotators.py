"""Several annotators of the same items: how far they agree, and who stands apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpo.stats.dawid_skene import Truth, dawid_skene
from drpo.stats.intervals import wilson

MOST_NAMED = 50
MOST_ROWS = 1_000
ENOUGH_ITEMS, ENOUGH_ANNOTATORS = 30, 3
"""Below these, tables of errors are drawn from too little, or cannot be told from each other."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def compare_annotators(
    items: Ints,
    annotators: Ints,
    votes: Ints,
    *,
    names: Sequence[str],
    rows: Ints,
    prompts: Ints,
    classes: int = 3,
) -> dict[str, Any] | None:
    """Compare the votes that were cast.

    Args:
        items: Which item each vote is on, from 0 without gaps.
        annotators: Who cast it: a place in `names`.
        votes: What it was, in [0, classes).
        names: The annotators'.
        rows: The row of each item, for messages.
        prompts: A number of each item's prompt, from 0 without gaps.
        classes: How many votes there are to choose from.

    Returns:
        Plain values for JSON; None where no item has two votes.
    """
    counts = np.zeros((len(rows), classes))
    np.add.at(counts, (items, votes), 1)
    cast = counts.sum(1)
    judged = cast >= 2
    if not judged.any():
        return None
    disputed = judged & (counts.max(1) == 1)
    truth = None
    if judged.sum() >= ENOUGH_ITEMS and len(names) >= ENOUGH_ANNOTATORS:
        truth = dawid_skene(items, annotators, votes, classes=classes)
    return {
        **_agreement(counts[judged]),
        "annotators": _each(items, annotators, votes, names, counts, truth),
        "disputed": _disputed(judged, disputed, rows, prompts),
        "overruled": _overruled(truth, counts, rows) if truth else [],
    }


def _agreement(counts: Floats) -> dict[str, Any]:
    """Unanimity, agreeing pairs of votes and Krippendorff's alpha, on items with two votes."""
    cast = counts.sum(1)
    agreeing = (counts * (counts - 1)).sum(1)
    observed = float(((cast * (cast - 1) - agreeing) / (cast - 1)).sum())
    total, by_vote = float(counts.sum()), counts.sum(0)
    expected = total * total - float((by_vote**2).sum())
    # Krippendorff 2011, "Computing Krippendorff's alpha-reliability", nominal data:
    # alpha = 1 - observed / expected disagreement; without any variation there is none.
    alpha = 1.0 if expected == 0 else 1 - (total - 1) * observed / expected
    return {
        "rows": len(counts),
        "unanimous": float((counts.max(1) == cast).mean()),
        "agreeing_votes": float(agreeing.sum() / (cast * (cast - 1)).sum()),
        "krippendorff_alpha": alpha,
    }


def _each(
    items: Ints,
    annotators: Ints,
    votes: Ints,
    names: Sequence[str],
    counts: Floats,
    truth: Truth | None,
) -> list[dict[str, Any]]:
    """Each annotator beside what most of the others said, where they are of one mind."""
    others = counts[items].copy()
    others[np.arange(len(votes)), votes] -= 1
    most = others.max(1)
    decided = (most > 0) & ((others == most[:, None]).sum(1) == 1)
    agrees = decided & (others[np.arange(len(votes)), votes] == most)
    found: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        own = annotators == place
        share = wilson(int((own & agrees).sum()), int((own & decided).sum()))
        found.append(
            {
                "name": name,
                "votes": int(own.sum()),
                "compared": share.n,
                "agrees": share.value,
                "low": share.low,
                "high": share.high,
                "reliability": None if truth is None else float(truth.reliability[place]),
            }
        )
    found.sort(key=lambda one: -int(one["votes"]))
    return found[:MOST_NAMED]


def _disputed(
    judged: NDArray[np.bool_], disputed: NDArray[np.bool_], rows: Ints, prompts: Ints
) -> dict[str, Any]:
    """Prompts on which nobody agrees: on none of their items do two votes coincide."""
    items = np.bincount(prompts[judged], minlength=int(prompts.max()) + 1)
    apart = np.bincount(prompts[disputed], minlength=len(items))
    hopeless = (items > 0) & (items == apart)
    there = rows[judged & hopeless[prompts]]
    return {"prompts": int(hopeless.sum()), "rows": [int(row) for row in there[:MOST_ROWS]]}


def _overruled(truth: Truth, counts: Floats, rows: Ints) -> list[int]:
    """Rows on which the more reliable votes outweigh the more numerous ones."""
    top = counts.max(1)
    one_mind = (counts.sum(1) >= 2) & ((counts == top[:, None]).sum(1) == 1)
    wrong = one_mind & (counts.argmax(1) != truth.posterior.argmax(1))
    return [int(row) for row in rows[wrong][:MOST_ROWS]]
