"""How much of an answer is the answer's own repetition."""

from __future__ import annotations

import re

_UNIT = re.compile(r"[a-z0-9']+|[^\sa-z0-9']", re.IGNORECASE)


def repeated_trigrams(text: str) -> float:
    """Share of an answer's three-unit sequences that it has said before, in [0, 1).

    A unit is a Latin word, or any other single character, so that Japanese, which writes no spaces,
    is measured too. Answers of fewer than four units cannot repeat one.
    """
    units = _UNIT.findall(text.lower())
    grams = list(zip(units, units[1:], units[2:], strict=False))
    return 1 - len(set(grams)) / len(grams) if len(grams) > 1 else 0.0
