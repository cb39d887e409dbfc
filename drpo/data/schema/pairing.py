"""Which pairs are made of several rated answers to one prompt, and how many by each rule."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from drpo.data.schema.column_mapping import number_of

Rated = tuple[str, float]
"""An answer and its rating, the higher the better."""

RULES = ("best_worst", "best_random")
MOST_GAPS = 6
MOST_KINDS = 10_000


def gap_of(rule: str) -> float | None:
    """Return the gap that a rule `gap:NUMBER` asks for; None for other rules."""
    name, _, number = rule.partition(":")
    gap = number_of(number) if name == "gap" else None
    return gap if gap is not None and gap > 0 else None


def pairs_by(rule: str, rated: Sequence[Rated], *, seed: int) -> Iterator[tuple[Rated, Rated]]:
    """Yield better and worse answers of one prompt.

    Args:
        rule: `best_worst`; `best_random`, the best against one of those rated lower; or
            `gap:NUMBER`, all that lie so far apart.
        rated: All answers.
        seed: Draws the other answer, the same one whenever the file is read.
    """
    order = sorted(rated, key=lambda item: -item[1])
    gap = gap_of(rule)
    if gap is not None:
        for index, better in enumerate(order):
            rest = order[index + 1 :]
            yield from ((better, worse) for worse in rest if better[1] - worse[1] >= gap)
        return
    lower = [item for item in order if item[1] < order[0][1]]
    if lower:
        yield order[0], random.Random(seed).choice(lower) if rule == "best_random" else lower[-1]


class RuleCounts:
    """How many pairs each rule would make of a file."""

    def __init__(self) -> None:
        self._prompts = 0
        self._gaps: Counter[float] = Counter()

    def add(self, rated: Sequence[Rated]) -> None:
        """Take the answers of one prompt."""
        ratings = sorted(rating for _, rating in rated)
        self._prompts += len(ratings) > 1 and ratings[0] < ratings[-1]
        digits = 3 if len(self._gaps) < MOST_KINDS else 0
        for index, low in enumerate(ratings):
            gaps = (round(high - low, digits) for high in ratings[index + 1 :])
            self._gaps.update(gap for gap in gaps if gap > 0)

    def summary(self) -> list[dict[str, Any]]:
        """Return rules with their counts; of gaps, a few that tell the most apart."""
        found: list[dict[str, Any]] = [{"rule": rule, "pairs": self._prompts} for rule in RULES]
        known = sorted(self._gaps)
        step = max(1, -(-len(known) // MOST_GAPS))
        for gap in known[::step]:
            pairs = sum(count for other, count in self._gaps.items() if other >= gap)
            found.append({"rule": f"gap:{gap:g}", "pairs": pairs})
        return found if known else []
