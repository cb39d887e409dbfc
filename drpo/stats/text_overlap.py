"""How much of a reference answer a text restates."""

from __future__ import annotations

import re

# Scripts that are written without spaces are counted by character.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+"
)


def words(text: str) -> list[str]:
    """Split a text into lower-case words; Japanese, Chinese and Korean into characters."""
    return _WORD.findall(text.lower())


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
