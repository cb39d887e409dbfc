"""Set prompts apart for evaluation so that nothing of them is seen in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drpo.data.pairs import Pair
from drpo.data.quality.near_duplicates import near_groups, normalise
from drpo.errors import DataError

MOST_OF_ALL = 0.5
"""A group of near duplicates larger than this share is one template, not one prompt."""


@dataclass(frozen=True, slots=True)
class Split:
    """Both sides, and how far they are apart."""

    train: list[Pair]
    heldout: list[Pair]
    leaked: int
    """Held-out pairs whose prompt, or one nearly the same, is also trained on."""
    templated: bool
    """Whether prompts are so alike that only equal ones could be kept together."""


def split(pairs: Sequence[Pair], fraction: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Divide pairs into training and held-out ones, no prompt on both sides.

    Raises:
        DataError: There are fewer than two different prompts.
    """
    parts = divide(pairs, fraction, seed)
    return parts.train, parts.heldout


def prompt_groups(
    pairs: Sequence[Pair], near: Sequence[int] | None = None
) -> tuple[list[int], bool]:
    """Return a group number for every pair, and whether near duplicates had to be told apart.

    Prompts that are near duplicates share a group. Where that would put most prompts into one
    group (a template with one word changed), only equal prompts do.

    Args:
        pairs: All pairs.
        near: The prompts' near groups, where they are known already.
    """
    near = list(near) if near is not None else near_groups([pair.prompt for pair in pairs])
    largest = Counter(near).most_common(1)[0][1] if near else 0
    forms: dict[str, int] = {}
    exact = [forms.setdefault(normalise(pair.prompt), len(forms)) for pair in pairs]
    if largest > MOST_OF_ALL * len(pairs) and len(forms) > 1:
        return exact, True
    return near, False


def divide(
    pairs: Sequence[Pair],
    fraction: float,
    seed: int,
    *,
    grouped: tuple[list[int], bool] | None = None,
) -> Split:
    """Divide pairs, and measure what leaks.

    Whole groups go to the held-out side in an order drawn from the seed, until it holds the
    fraction; a group that would overshoot by more than it fills is passed over.

    Args:
        pairs: All pairs.
        fraction: Share of pairs to set apart, in (0, 1).
        seed: The same seed, the same division.
        grouped: What `prompt_groups` returned, where it is known already.

    Raises:
        DataError: There are fewer than two different prompts.
    """
    groups, templated = grouped or prompt_groups(pairs)
    sizes = Counter(groups)
    if len(sizes) < 2:
        raise DataError(
            f"{len(pairs)} pairs with one prompt cannot be divided; expected at least two "
            "different prompts. Bring more prompts, or a held-out file of its own."
        )
    names = sorted(sizes)
    order = np.random.default_rng([seed, 0]).permutation(len(names))
    wanted = max(1, round(fraction * len(pairs)))
    taken: set[int] = set()
    filled = 0
    for index in order:
        size = sizes[names[index]]
        if filled and filled + size - wanted > wanted - filled:
            continue
        if len(taken) == len(names) - 1:
            break
        taken.add(names[index])
        filled += size
        if filled >= wanted:
            break
    train = [pair for pair, group in zip(pairs, groups, strict=True) if group not in taken]
    heldout = [pair for pair, group in zip(pairs, groups, strict=True) if group in taken]
    return Split(train, heldout, _leaked(train, heldout) if templated else 0, templated)


def _leaked(train: Sequence[Pair], heldout: Sequence[Pair]) -> int:
    """Count held-out pairs that have a near duplicate among the trained prompts."""
    near = near_groups([pair.prompt for pair in (*train, *heldout)])
    trained = set(near[: len(train)])
    return sum(group in trained for group in near[len(train) :])
