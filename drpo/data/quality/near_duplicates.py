"""Near duplicates among many texts, in seconds: one-permutation MinHash, then a true comparison.

Every run of SHINGLE bytes of the normalised text is hashed once; the smallest hash in each of BINS
classes is kept (Li, Owen and Zhang 2012, arXiv:1208.1259). Texts that agree in all bins of a band
are candidates, and only candidates whose shingle sets overlap enough are called near duplicates.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

SHINGLE = 8
BINS = 32
BANDS = 8
"""Bands of BINS // BANDS bins: at a similarity of .9 one pair in about 5,000 is missed."""
THRESHOLD = 0.9
"""Share of shingles that near duplicates have in common (Jaccard)."""
CHUNK_BYTES = 2_000_000
SHOWN_BYTES = 6_000
"""Longer texts are compared by this much of their beginning."""
REMEMBERED = 64
"""Texts whose shingles are kept while others are compared with them; each takes half a megabyte."""

_NOT_WORD = re.compile(r"[\W_]+")
Hashes = npt.NDArray[np.uint64]

BAND_MIX = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5],
    dtype=np.uint64,
)
"""Odd factors that make one number of a band's bins."""


def normalise(text: str) -> str:
    """Bring a text into the form in which exact duplicates are equal."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _NOT_WORD.sub(" ", text.casefold()).strip()


class Groups:
    """Disjoint sets of indices."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def find(self, index: int) -> int:
        """Return the index that stands for this one's set."""
        parent = self._parent
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(self, first: int, second: int) -> None:
        """Make one set of two; the smaller index stands for it."""
        low, high = sorted((self.find(first), self.find(second)))
        self._parent[high] = low

    def labels(self) -> list[int]:
        """Return for every index the one that stands for its set."""
        return [self.find(index) for index in range(len(self._parent))]


def near_groups(
    texts: Sequence[str], *, tell: Callable[[int, int], None] | None = None
) -> list[int]:
    """Group texts that are equal or nearly so.

    Args:
        texts: In any order; normalised here.
        tell: Told how many of how many are hashed.

    Returns:
        For every text the index of the first text of its group. Groups are connected: a is with c
        when a is near b and b is near c.
    """
    groups = Groups(len(texts))
    first_of: dict[str, int] = {}
    unique: list[int] = []
    forms: list[bytes] = []
    for index, text in enumerate(texts):
        form = normalise(text) or text
        known = first_of.setdefault(form, index)
        if known == index:
            unique.append(index)
            forms.append(form.encode(errors="replace")[:SHOWN_BYTES])
        else:
            groups.join(known, index)
    del first_of
    signatures = _signatures(forms, tell)
    # In order, what one text is compared with follows at once, and its shingles are at hand.
    shingles = lru_cache(REMEMBERED)(lambda at: _shingles(forms[at]))
    for first, second in sorted(_candidates(signatures)):
        if groups.find(unique[first]) != groups.find(unique[second]) and (
            _jaccard(shingles(first), shingles(second)) >= THRESHOLD
        ):
            groups.join(unique[first], unique[second])
    return groups.labels()


def _signatures(
    forms: Sequence[bytes], tell: Callable[[int, int], None] | None
) -> npt.NDArray[np.uint32]:
    signatures = np.zeros((len(forms), BINS), dtype=np.uint32)
    start = 0
    while start < len(forms):
        stop, size = start, 0
        while stop < len(forms) and (size == 0 or size + len(forms[stop]) <= CHUNK_BYTES):
            size += len(forms[stop]) + SHINGLE
            stop += 1
        signatures[start:stop] = _chunk_signatures(forms[start:stop])
        start = stop
        if tell is not None:
            tell(start, len(forms))
    return signatures


def _chunk_signatures(forms: Sequence[bytes]) -> npt.NDArray[np.uint32]:
    """Hash every shingle of some texts at once."""
    # Padding keeps shingles from running into the next text, and gives short texts one shingle.
    padded = b"".join(form + b"\x00" * SHINGLE for form in forms)
    data = np.frombuffer(padded, dtype=np.uint8)
    words = np.lib.stride_tricks.as_strided(data, (len(data) - SHINGLE + 1, SHINGLE), (1, 1))
    hashes = np.ascontiguousarray(words).view(np.uint64).ravel()
    hashes = _mix(hashes)
    lengths = np.array([max(1, len(form) - SHINGLE + 1) for form in forms])
    starts = np.cumsum([0, *(len(form) + SHINGLE for form in forms[:-1])])
    owner = np.repeat(np.arange(len(forms)), lengths)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    hashes = hashes[np.repeat(starts, lengths) + offset]
    slot = owner * BINS + (hashes >> np.uint64(59)).astype(np.int64)
    smallest = np.full(len(forms) * BINS, np.iinfo(np.uint32).max, dtype=np.uint32)
    np.minimum.at(smallest, slot, (hashes >> np.uint64(20)).astype(np.uint32))
    return smallest.reshape(len(forms), BINS)


def _mix(values: Hashes) -> Hashes:
    """Scatter values over 64 bits (the finaliser of SplitMix64)."""
    mixed: Hashes = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _candidates(signatures: npt.NDArray[np.uint32]) -> set[tuple[int, int]]:
    """Return pairs of texts that agree in a whole band.

    In a bucket each text is paired with the one before it only: near duplicates are chained into
    one group anyway, and a bucket of thousands stays cheap.
    """
    pairs: set[tuple[int, int]] = set()
    rows = BINS // BANDS
    for band in range(BANDS):
        part = np.ascontiguousarray(signatures[:, band * rows : (band + 1) * rows])
        keys = _mix(part.astype(np.uint64) @ BAND_MIX)
        order = np.argsort(keys, kind="stable")
        same = keys[order[1:]] == keys[order[:-1]]
        # Texts too short to fill any bin of the band agree in nothing.
        same &= (part[order[1:]] != np.iinfo(np.uint32).max).any(axis=1)
        first, second = order[:-1][same], order[1:][same]
        pairs.update(zip(first.tolist(), second.tolist(), strict=True))
    return pairs


def _shingles(text: bytes) -> frozenset[bytes]:
    return frozenset(text[at : at + SHINGLE] for at in range(max(1, len(text) - SHINGLE + 1)))


def _jaccard(first: frozenset[bytes], second: frozenset[bytes]) -> float:
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)
