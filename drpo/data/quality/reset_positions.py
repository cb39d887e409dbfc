"""What a data set offers to resets: positions to start from, and what each filter would keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drpo.data.pairs import Pair
from drpo.data.quality.checks import Lengths
from drpo.data.quality.summary_stats import histogram, summary

KEEP = (0.25, 0.5, 0.75)
"""Shares of the answers that the report shows each filter at."""


def reset_positions(lengths: Lengths) -> dict[str, Any]:
    """Count the places an episode can start from within the chosen answers.

    An answer of L tokens, its end token included, has L of them: k from 0, the bare prompt, to
    L - 1, where only the end is left to write. Of fewer than two tokens it is never reset into.
    """
    trained = lengths.trained
    usable = [length for length in trained if length >= 2]
    return {
        "unit": lengths.unit,
        "answers": len(usable),
        "too_short": len(trained) - len(usable),
        "cut": lengths.cut,
        "positions": int(sum(usable)),
        "per_answer": summary(trained),
    }


def filter_effects(
    pairs: Sequence[Pair], lengths: Lengths, coverage: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Say what each reset-candidate filter would keep.

    Each filter keeps the best share of answers by its own figure. A score needs a reward model,
    so here the gold score stands for it where the data hold one.
    """
    figures: dict[str, list[float | None]] = {
        "margin": [_margin(pair) for pair in pairs],
        "score": [pair.gold_chosen for pair in pairs],
        "coverage": _coverage_by_row(pairs, coverage),
    }
    return {name: _effect(values, lengths) for name, values in figures.items()}


def _margin(pair: Pair) -> float | None:
    if pair.margin is not None:
        return pair.margin
    if pair.gold_chosen is None or pair.gold_rejected is None:
        return None
    return pair.gold_chosen - pair.gold_rejected


def _coverage_by_row(
    pairs: Sequence[Pair], coverage: Mapping[str, Any] | None
) -> list[float | None]:
    by_row = {row["row"]: row["chosen"] for row in coverage["rows"]} if coverage else {}
    return [by_row.get(pair.row) for pair in pairs]


def _effect(values: Sequence[float | None], lengths: Lengths) -> dict[str, Any] | None:
    known = [(value, index) for index, value in enumerate(values) if value is not None]
    if not known:
        return None
    known.sort(key=lambda item: -item[0])
    kept = []
    for share in KEEP:
        part = known[: max(1, round(share * len(known)))]
        kept.append(
            {
                "keep": share,
                "answers": len(part),
                "threshold": part[-1][0],
                "mean_figure": float(np.mean([value for value, _ in part])),
                "mean_length": float(np.mean([lengths.chosen[index] for _, index in part])),
            }
        )
    return {
        "known": len(known),
        "all": {
            "mean_figure": float(np.mean([value for value, _ in known])),
            "mean_length": float(np.mean([lengths.chosen[index] for _, index in known])),
        },
        "kept": kept,
        "histogram": histogram(figure=[value for value, _ in known]),
    }
