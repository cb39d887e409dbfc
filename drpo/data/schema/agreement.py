"""Several annotators of one pair: what most of them say, and how far they agree."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from drpo.data.schema.column_mapping import Outcome
from drpo.stats.annotators import compare_annotators

VOTES: tuple[Outcome, ...] = ("first", "second", "tie")


def majority(votes: Sequence[Outcome]) -> Outcome | None:
    """Return what more than half of the annotators said; None if nothing was.

    Votes that were not cast do not count; no votes at all is unjudged.
    """
    cast = [vote for vote in votes if vote != "unjudged"]
    if not cast:
        return "unjudged"
    for outcome in set(cast):
        if cast.count(outcome) * 2 > len(cast):
            return outcome
    return None


class Agreement:
    """Takes every vote of every annotator, and compares them at the end.

    Annotators are columns of a row, or each has rows of their own; an item is what they judged.
    """

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._items: dict[Hashable, int] = {}
        self._prompts: dict[Hashable, int] = {}
        self._rows, self._prompt_of = array("q"), array("q")
        self._votes: tuple[array[int], array[int], array[int]] = (
            array("q"),
            array("q"),
            array("q"),
        )

    def add(
        self,
        item: Hashable,
        votes: Sequence[Outcome],
        names: Sequence[str],
        *,
        row: int = 0,
        prompt: Hashable = None,
    ) -> None:
        """Take votes on one item; those that were not cast do not count.

        Args:
            item: What tells the item from others.
            votes: One for each name.
            names: The annotators'.
            row: Where the item stands.
            prompt: What tells its prompt from others; the item stands alone without.
        """
        cast = [(n, v) for n, v in zip(names, votes, strict=True) if v != "unjudged"]
        if not cast:
            return
        place = self._items.setdefault(item, len(self._items))
        if place == len(self._rows):
            key = ("", item) if prompt is None else prompt
            self._rows.append(row)
            self._prompt_of.append(self._prompts.setdefault(key, len(self._prompts)))
        items, annotators, values = self._votes
        for name, vote in cast:
            items.append(place)
            annotators.append(self._names.setdefault(name, len(self._names)))
            values.append(VOTES.index(vote))

    def summary(self) -> dict[str, Any] | None:
        """Return the figures, or None when no item has two votes."""
        if len(self._names) < 2:
            return None
        items, annotators, votes = (np.array(part, dtype=np.int64) for part in self._votes)
        return compare_annotators(
            items,
            annotators,
            votes,
            names=list(self._names),
            rows=np.array(self._rows, dtype=np.int64),
            prompts=np.array(self._prompt_of, dtype=np.int64),
        )
