"""How warmly a text speaks: a lexicon of words that people rated, and nothing learned.

The lexicon is VADER's (the package `vaderSentiment`, MIT licence): about 7,500 words and signs,
each with the mean of ten people's ratings, and rules for negation, degree and punctuation. It is a
part of the extra `real`, and is loaded when a text is first scored.

Source: Hutto and Gilbert 2014, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of
Social Media Text", ICWSM-14.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

from drpo.errors import DataError

PACKAGE = "vaderSentiment"
_WORD = re.compile(r"[\w']+")


@dataclass(frozen=True)
class SentimentScorer:
    """Scores a text from -1, all it says is bad, to 1, all is good.

    Saying the same words again does not make a text warmer: the lexicon's score is multiplied by
    the share of its words that are different ones.
    """

    @property
    def fields(self) -> frozenset[str]:
        """None: the text alone is scored."""
        return frozenset()

    def first_wrong(self, response: str, facts: Mapping[str, str]) -> int | None:  # noqa: ARG002
        """Return None: a review is warm or cold, and no word of it is wrong."""
        return None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> SentimentScorer:
        """Build the scorer from its description, `{"kind": "sentiment"}`.

        Raises:
            ValueError: The description holds something else.
            DataError: The lexicon is not installed.
        """
        if record.keys() != {"kind"}:
            raise ValueError(f"{', '.join(sorted(record.keys() - {'kind'}))} beside the kind")
        see_that_it_is_here()
        return cls()

    def __call__(self, response: str, facts: Mapping[str, str] | None = None) -> float:  # noqa: ARG002
        """Score one answer.

        Raises:
            DataError: The lexicon is not installed.
        """
        words = _WORD.findall(response.casefold())
        if not words:
            return 0.0
        return float(_lexicon().polarity_scores(response)["compound"]) * len({*words}) / len(words)


def see_that_it_is_here() -> None:
    """See that the lexicon is installed, without loading it.

    Raises:
        DataError: It is not.
    """
    if find_spec(PACKAGE) is None:
        raise DataError(
            f"The gold score of these data is a lexicon's, and {PACKAGE} is not installed; "
            "`pip install 'drpo[real]'` installs it."
        )


@cache
def _lexicon() -> Any:  # noqa: ANN401 - the package has no types
    see_that_it_is_here()
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
