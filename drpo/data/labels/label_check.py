"""The check of labels: one document of plain values, written down in docs/labels.md.

Like the data report it holds codes and values; screens and the terminal make sentences of them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drpo.data.labels.cross_fit import FOLDS, OutOfFold, cross_fit
from drpo.data.labels.noise import Noise, estimate_noise
from drpo.data.pairs import Pair
from drpo.data.pairset import PairSet
from drpo.data.quality.checks import judged_both_ways
from drpo.data.reading import Progress
from drpo.stats.intervals import Interval

FORMAT = 1
MOST_SUSPECTS = 500
MOST_ROWS = 1_000
SHOWN_CHARS = 4_000

TEXT_MODEL: Mapping[str, Any] = {"kind": "text", "name": ""}


@dataclass(frozen=True, slots=True)
class _Against:
    """What else speaks against labels, by row."""

    turned: Mapping[int, int]
    """Another row says the opposite."""
    overruled: set[int]
    """The more reliable annotators do."""


def check_labels(
    loaded: PairSet,
    *,
    judged: OutOfFold | None = None,
    model: Mapping[str, Any] = TEXT_MODEL,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Say which labels are probably wrong, and how many.

    Args:
        loaded: The pairs.
        judged: What a model says of each, where it is not the cheap one on features of the text.
        model: What that model is: `kind` and `name`.
        progress: Told how far it is.

    Raises:
        DataError: There are too few pairs to learn from.
    """
    began = time.perf_counter()
    tell = progress or (lambda _stage, _done, _total: None)
    judged = judged or cross_fit(loaded.pairs, tell=tell)
    tell("noise", 0, 0)
    noise = estimate_noise(judged.probability, judged.groups)
    turned = judged_both_ways(loaded.pairs)
    against = _Against(turned, set((loaded.agreement or {}).get("overruled", ())))
    order = np.argsort(judged.probability, kind="stable")
    doubted = order[judged.probability[order] < 0.5]
    return {
        "format": FORMAT,
        "file": {"name": loaded.name, "sha256": loaded.source_hash},
        "content_hash": loaded.content_hash,
        "pairs": len(loaded.pairs),
        "prompts": len(set(judged.groups.tolist())),
        "model": {
            **model,
            "cross_fitted": judged.cross_fitted,
            "folds": FOLDS if judged.cross_fitted else 0,
            "accuracy": _share(noise.accuracy),
            "strength": noise.strength,
        },
        "wrong": {**_share(noise.wrong), "at_most": _at_most(noise)},
        "length": _length(judged),
        "agreement": loaded.agreement,
        "both_ways": sorted(turned.items())[:MOST_ROWS],
        "doubted": len(doubted),
        "suspects": [
            _suspect(int(index), loaded.pairs[index], judged, against)
            for index in doubted[:MOST_SUSPECTS]
        ],
        "seconds": round(time.perf_counter() - began, 3),
    }


def _share(interval: Interval) -> dict[str, float | None]:
    return {"share": interval.value, "low": interval.low, "high": interval.high}


def _at_most(noise: Noise) -> float:
    """A share of wrong labels that holds however blind the model is.

    A model that is right more often than not disagrees with wrong labels and with some right ones
    besides, so that no more are wrong than it disagrees with.
    """
    return min(0.5, 1 - (noise.accuracy.low or 0.0))


def _length(judged: OutOfFold) -> dict[str, float] | None:
    """What length alone says, what everything else says, and the labels that only length bears."""
    if judged.length is None or judged.rest is None:
        return None
    only = (judged.length > 0.5) & (judged.rest < 0.5)
    return {
        "alone": _agreeing(judged.length),
        "rest": _agreeing(judged.rest),
        "only": int(only.sum()),
    }


def _agreeing(probability: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    return float(np.mean(probability > 0.5) + 0.5 * np.mean(probability == 0.5))


def _suspect(index: int, pair: Pair, judged: OutOfFold, against: _Against) -> dict[str, Any]:
    """One pair to be read.

    Its number counts usable pairs from 1: a row with a list of answers holds several.
    """
    reasons: list[dict[str, Any]] = []
    if judged.length is not None and judged.rest is not None:
        by_length, rest = judged.length[index], judged.rest[index]
        if by_length > 0.5 > rest:
            reasons.append({"code": "only_length"})
        elif by_length < 0.5 < rest:
            reasons.append({"code": "against_length"})
    if pair.row in against.turned:
        reasons.append({"code": "both_ways", "row": against.turned[pair.row]})
    if pair.row in against.overruled:
        reasons.append({"code": "overruled"})
    return {
        "pair": index + 1,
        "row": pair.row,
        "probability": round(float(judged.probability[index]), 4),
        "reasons": reasons,
        "prompt": pair.prompt[-SHOWN_CHARS:],
        "chosen": pair.chosen[:SHOWN_CHARS],
        "rejected": pair.rejected[:SHOWN_CHARS],
    }
