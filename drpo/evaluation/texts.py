"""What can be said of texts by counting: variety, repetition, overlap with a reference."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Scripts that are written without spaces are counted by character.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+"
)


def words(text: str) -> list[str]:
    """Split a text into lower-case words; Japanese, Chinese and Korean into characters."""
    return _WORD.findall(text.lower())


def distinct_n(texts: Sequence[str], n: int = 2) -> float:
    """Share of different n-grams among all n-grams of all texts.

    Returns:
        1 when no n-gram occurs twice; 0 when there is no n-gram at all.

    Source: Li et al. 2016, A Diversity-Promoting Objective Function, arXiv:1510.03055.
    """
    grams = [gram for text in texts for gram in _grams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def repetition(text: str, n: int = 3) -> float:
    """Share of a text's n-grams that occurred in it before; 0 for texts shorter than n."""
    grams = _grams(words(text), n)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


class RougeL:
    """ROUGE-L against a reference, with words split as everywhere here.

    Source: Lin 2004, ROUGE; computed by the rouge-score package, whose own tokenizer would drop
    every character outside a to z and 0 to 9.
    """

    def __init__(self) -> None:
        # Imported here: it loads nltk, which no screen needs.
        from rouge_score.rouge_scorer import RougeScorer

        self._scorer = RougeScorer(["rougeL"], tokenizer=_Words())

    def __call__(self, answer: str, reference: str) -> float:
        """F1 of the longest common subsequence of words, in [0, 1]."""
        return float(self._scorer.score(reference, answer)["rougeL"].fmeasure)


class _Words:
    """What rouge-score calls a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


def _grams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
