"""How much of an answer is the answer's own repetition."""

from __future__ import annotations

from drpo.stats.text_overlap import words


def repetition(text: str) -> float:
    """Share of an answer's three-word sequences that it has said before, in [0, 1).

    Evaluations measure the same on tokens (`eval/repetition`); training episodes come here as text.
    """
    said = words(text)
    grams = list(zip(said, said[1:], said[2:], strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
