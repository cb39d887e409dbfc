"""Words of degree in a judgement: "slightly better", "B is much worse", "A>>B", "much the same"."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from drpo.data.schema.column_mapping import name_words

DEGREES = {
    **dict.fromkeys(("barely", "slightly", "slight", "marginally", "little", "bit"), 1.0),
    **dict.fromkeys(("moderately", "somewhat", "rather"), 2.0),
    **dict.fromkeys(("much", "clearly", "strongly", "significantly", "considerably"), 3.0),
    **dict.fromkeys(("far", "lot", "definitely", "substantially", "way"), 3.0),
}
"""How strong each word is; a comparison without one stands in the middle."""
PLAIN = 2.0
BETTER = {"better", "prefer", "prefers", "preferred", "favor", "favors", "favour", "favours"}
WORSE = {"worse"}
ALIKE = {"same", "equal", "equally", "similar", "comparable", "tie", "tied", "alike"}
ASIDE = {"is", "are", "the", "about", "roughly", "more", "very", "quite", "just", "by"}
ARTICLE = re.compile(r"\ba[ _](?=bit\b|little\b|lot\b|slight\b)")
ARROWS = re.compile(r"(>{1,4}|<{1,4})")


@dataclass(frozen=True, slots=True)
class Degree:
    """What a code says beyond which answer it means."""

    says: Literal["better", "worse", "alike"]
    strength: float
    about: tuple[str, ...]
    """The words that name the answer it speaks of; empty where it does not say."""


def degree_of(code: str) -> Degree | None:
    """Read a code's words of degree; None where it holds none."""
    arrows = ARROWS.findall(code)
    if len(arrows) == 1 and code.count("=") == 0:
        sides = code.split(arrows[0])
        about = sides[0 if arrows[0][0] == ">" else 1].strip("[]() ")
        return Degree("better", float(len(arrows[0])), tuple(name_words(about)))
    words = name_words(ARTICLE.sub("", code))
    if "than" in words:
        words = words[: words.index("than")]
    known = set(words)
    compared = known & (BETTER | WORSE)
    if not compared:
        alike = known & ALIKE or {"no", "preference"} <= known
        return Degree("alike", 0.0, ()) if alike else None
    strengths = [DEGREES[word] for word in words if word in DEGREES]
    named = [w for w in words if w not in DEGREES and w not in compared and w not in ASIDE]
    says: Literal["better", "worse"] = "worse" if known & WORSE else "better"
    return Degree(says, max(strengths, default=PLAIN), tuple(named))


def strengths_of(codes: Collection[str]) -> dict[str, float]:
    """Return how strong each code is, where the codes have more than one degree; else nothing."""
    found = {code: degree for code in codes if (degree := degree_of(code)) is not None}
    strengths = {code: degree.strength for code, degree in found.items() if degree.strength}
    return strengths if len(set(strengths.values())) > 1 else {}
