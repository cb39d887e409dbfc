"""What a cheap preference model sees of a pair: the difference of its two answers' features.

An answer is described by words and neighbouring words, by which of them the prompt holds as well
(a faithful summary repeats the post's, an invented one does not), and by a dozen plain figures of
its shape. Its length stands apart from the rest, so that what length explains can be told from
what it does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from drpo.data.pairs import Pair

WORDS = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
    "|[^\\w\\s]"
)
"""Words and signs; scripts without spaces are read sign by sign, whose neighbours make words."""
MOST_CHARS = 20_000
BUCKETS = 2**18
SHAPE_WEIGHT = 0.3
"""Plain figures count less than words in the penalty on large weights."""
MOST_SPREADS = 4.0

Floats = NDArray[np.float64]


class PairFeatures:
    """Turns pairs into differences of features, chosen minus rejected.

    Args:
        pairs: Those from which frequencies of words and spreads of figures are taken. Labels are
            not: turning every pair around changes nothing.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._hash = HashingVectorizer(
            analyzer=lambda words: words, n_features=BUCKETS, alternate_sign=False, norm=None
        )
        self._weights = TfidfTransformer(sublinear_tf=True)
        self._weights.fit(self._counts(pairs))
        length, shape = _figures(pairs)
        self._length_spread = _spread(length)
        length = length / self._length_spread
        # What a figure has in common with length is length's (Frisch and Waugh 1933).
        square = float(length @ length) or 1.0
        self._shared = (shape.T @ length) / square
        self._spreads = _spread(shape - np.outer(length, self._shared))

    def __call__(self, pairs: Sequence[Pair]) -> sparse.csr_matrix:
        """Return a row a pair, whose first column is the difference of the answers' lengths."""
        length, shape = _figures(pairs)
        length = length / self._length_spread
        shape = (shape - np.outer(length, self._shared)) / self._spreads
        plain = np.column_stack([length, shape]).clip(-MOST_SPREADS, MOST_SPREADS) * SHAPE_WEIGHT
        words = self._weights.transform(self._counts(pairs))
        count = len(pairs)
        return sparse.hstack(
            [sparse.csr_matrix(plain), words[:count] - words[count:]], format="csr"
        )

    def _counts(self, pairs: Sequence[Pair]) -> sparse.csr_matrix:
        """Counts of all chosen answers, below them those of all rejected ones."""
        return self._hash.transform(_marked(pairs))


def _marked(pairs: Sequence[Pair]) -> Iterator[list[str]]:
    """The words of every chosen answer, then of every rejected one, each with what marks it."""
    asked = [set(_words(pair.prompt)) for pair in pairs]
    for name in ("chosen", "rejected"):
        for pair, known in zip(pairs, asked, strict=True):
            words = _words(getattr(pair, name))
            yield [
                *words,
                *(f"{one} {other}" for one, other in pairwise(words)),
                *(("repeats:" if word in known else "adds:") + word for word in set(words)),
            ]


def _words(text: str) -> list[str]:
    return WORDS.findall(text[:MOST_CHARS].casefold())


def _figures(pairs: Sequence[Pair]) -> tuple[Floats, Floats]:
    """Differences of length (log of characters), and of the other figures of shape."""
    rows = []
    for pair in pairs:
        known = set(_words(pair.prompt))
        rows.append(np.subtract(_shape(pair.chosen, known), _shape(pair.rejected, known)))
    figures = np.array(rows, dtype=np.float64)
    return figures[:, 0], figures[:, 1:]


def _shape(answer: str, asked: set[str]) -> list[float]:
    text = answer[:MOST_CHARS].strip()
    words = _words(text)
    different = set(words)
    repeated = len(different & asked)
    characters, count = max(1, len(text)), max(1, len(words))
    return [
        float(np.log1p(len(text))),
        float(np.log1p(len(words))),
        float(np.log1p(repeated)),
        float(np.log1p(len(different) - repeated)),
        repeated / max(1, len(different)),
        len(different) / count,
        len(text) / count,
        float(np.log1p(text.count("\n"))),
        float(np.log1p(text.count("?") + text.count("？"))),
        float(np.log1p(sum(sign.isdigit() for sign in text))),
        sum(sign.isupper() for sign in text) / characters,
        float(text[-1:] in tuple(".!?。！？")),
    ]


def _spread(values: Floats) -> Floats:
    """The root of the mean square, about 0 as differences are; 1 where all are 0."""
    spread = np.sqrt(np.mean(values**2, axis=0))
    return np.where(spread > 0, spread, 1.0)
