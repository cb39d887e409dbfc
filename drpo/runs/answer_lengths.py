"""How many answers of the data a run's length limit cuts, counted before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from drpo.config.run_config import RunConfig
from drpo.data import load_pairs
from drpo.data.io.source import file_of
from drpo.data.library.versions import find_version, path_of, read_saved
from drpo.data.quality.token_lengths import proposed_length
from drpo.errors import DrpoError
from drpo.modeling.model_files import count_tokens, find_folder, read_card
from drpo.store import Store

MEASURED = 500
"""Rows that are counted, spread over the data."""


@dataclass(frozen=True, slots=True)
class CutAnswers:
    """What a length limit does to the chosen answers."""

    length: int
    share: float
    """Share of answers whose end does not fit."""
    proposed: int
    """A length that cuts next to none, tokens; see `proposed_length`."""


def cut_answers(config: RunConfig, store: Store) -> CutAnswers | None:
    """Count the chosen answers that `response_length` cuts; None where tokens cannot be counted.

    Args:
        config: A run's settings.
        store: Where saved data sets are looked up.
    """
    version = find_version(store, config.data.data)
    try:
        path = file_of(config.data.data) if version is None else path_of(version)
        if path is None or not path.is_file():
            return None  # on the Hub: not read for a hint
        lengths = _counted(path, path.stat().st_mtime, config.models.policy, version is not None)
    except DrpoError:
        return None  # the check before a launch says what is wrong
    if not lengths:
        return None
    length = config.sampling.response_length
    share = sum(one > length for one in lengths) / len(lengths)
    return CutAnswers(length, share, proposed_length(lengths) or length)


@lru_cache(maxsize=32)
def _counted(path: Path, _changed: float, policy: str, saved: bool) -> tuple[int, ...]:
    folder = find_folder(policy, what="start policy")
    if folder is None:
        return ()
    pairs = list(read_saved(path)) if saved else load_pairs(str(path)).pairs
    spread = pairs[:: max(1, len(pairs) // MEASURED)]
    texts = [pair.chosen.strip() for pair in spread]
    counts = count_tokens(read_card(folder), texts, special=False)
    return tuple(count + 1 for count in counts or ())  # and the end token
