"""What an estimate reads of a run's data: how many pairs, the first prompts, the longest rows."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from drpo.data import load_pairs
from drpo.data.io.source import file_of
from drpo.data.library.versions import find_version, path_of, read_saved
from drpo.data.pairs import Pair
from drpo.errors import DrpoError, FilesAwayError
from drpo.modeling.model_files import count_tokens, find_folder, read_card
from drpo.store import Store

LONGEST = 50
"""Texts whose tokens are counted, the longest."""
FIRST = 200
"""Prompts from whose tokens the mean is taken."""


@dataclass(frozen=True)
class Rows:
    """A few rows that stand for all."""

    count: int
    first: tuple[str, ...]
    """The first prompts."""
    longest: tuple[tuple[str, str], ...]
    """Prompt, and prompt with its longer answer, of the longest rows and the longest prompts."""


@dataclass(frozen=True)
class Counted:
    """The same in a model's tokens."""

    mean_prompt: float
    longest: tuple[tuple[float, float], ...]
    """Tokens of prompt and of the whole row with its end."""


def rows_of(source: str) -> Rows | None:
    """Return the rows of a file or a saved data set, read once as long as they stay the same.

    Args:
        source: What a run names as its data.

    Returns:
        None where the data are not here yet, or cannot be read: the check before launch says why.
    """
    found = _file(source)
    return None if found is None else _read(*found, found[0].stat().st_mtime)


def counted(source: str, policy: str) -> Counted | None:
    """Count a model's tokens in the rows of `rows_of`; None where that cannot be done here."""
    found = _file(source)
    return None if found is None else _counted(*found, found[0].stat().st_mtime, policy)


def answer_of(pair: Pair) -> str:
    """Return the longer answer of a pair."""
    return max(pair.chosen, pair.rejected, key=len)


def _file(source: str) -> tuple[Path, bool] | None:
    """Find the file, and say whether it is that of a saved set."""
    try:
        return _found(source)
    except FilesAwayError:
        return None


def _found(source: str) -> tuple[Path, bool] | None:
    path = file_of(source)
    if path is not None:
        return path, False
    if "/" in source or not source:  # a Hub name, or a file that is gone
        return None
    store = Store()
    try:
        version = find_version(store, source)
    finally:
        store.close()
    if version is None or not path_of(version).is_file():
        return None
    return path_of(version), True


@lru_cache(maxsize=64)
def _read(path: Path, saved: bool, _changed: float) -> Rows | None:
    try:
        pairs: Sequence[Pair] = list(read_saved(path)) if saved else load_pairs(str(path)).pairs
    except (DrpoError, OSError, ValueError):
        return None
    chosen = {id(pair): pair for key in KEYS for pair in heapq.nlargest(LONGEST, pairs, key)}
    return Rows(
        len(pairs),
        tuple(pair.prompt for pair in pairs[:FIRST]),
        tuple((pair.prompt, pair.prompt + answer_of(pair)) for pair in chosen.values()),
    )


@lru_cache(maxsize=64)
def _counted(path: Path, saved: bool, changed: float, policy: str) -> Counted | None:
    rows = _read(path, saved, changed)
    if rows is None or not rows.count:
        return None
    try:
        folder = find_folder(policy, what="start policy")
        if folder is None:
            return None
        texts = [*rows.first, *(text for both in rows.longest for text in both)]
        counts = count_tokens(read_card(folder), texts)
    except DrpoError:
        return None
    if counts is None:
        return None
    first, rest = counts[: len(rows.first)], counts[len(rows.first) :]
    longest = tuple((float(p), float(r + 1)) for p, r in zip(rest[::2], rest[1::2], strict=True))
    return Counted(sum(first) / len(first), longest)


KEYS: tuple[Callable[[Pair], int], ...] = (
    lambda pair: len(pair.prompt),
    lambda pair: len(pair.prompt) + len(answer_of(pair)),
)
"""By what rows are longest: their prompt, and the whole."""
