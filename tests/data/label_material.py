"""Pairs whose labels are known to be right or wrong."""

from dataclasses import replace

import numpy as np

from drpo.data.pairs import Pair
from drpo.data.pairset import PairSet, content_hash

GOOD, BAD = ("clear", "kind", "careful", "useful"), ("rude", "vague", "lazy", "wrong")
FILLERS = ("river", "stone", "lamp", "bread", "cloud", "paper", "chair", "spoon", "glass", "apple")


def honest_pairs(count: int, seed: int = 0) -> list[Pair]:
    """Pairs in which a good word stands in the better answer, each with another prompt."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        texts = []
        for words in (GOOD, BAD):
            filled = [*rng.choice(FILLERS, 4), rng.choice(words)]
            texts.append(" " + " ".join(rng.permutation(filled)) + ".")
        topic = " ".join(rng.choice(FILLERS, 3))
        asked = f"Question {number * 7919} about {topic}, number {number}?\n"
        made.append(Pair(asked, texts[0], texts[1], row=number + 1))
    return made


def turned(pair: Pair) -> Pair:
    return replace(pair, chosen=pair.rejected, rejected=pair.chosen)


def with_wrong(pairs: list[Pair], share: float, seed: int = 1) -> tuple[list[Pair], np.ndarray]:
    """Turn a share of the pairs around; return also which."""
    wrong = np.zeros(len(pairs), dtype=bool)
    drawn = np.random.default_rng(seed).permutation(len(pairs))
    wrong[drawn[: round(share * len(pairs))]] = True
    return [turned(pair) if bad else pair for pair, bad in zip(pairs, wrong, strict=True)], wrong


def loaded(pairs: list[Pair], name: str = "pairs.jsonl") -> PairSet:
    return PairSet(pairs, name, content_hash(pairs), rows=len(pairs))
