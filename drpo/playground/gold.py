"""The true score of a run's data, as far as it can be asked about a text. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from drpo.data.gold_reward import Gold, load_gold
from drpo.data.io.source import file_of
from drpo.data.loading import load_pairs
from drpo.errors import DrpoError

Facts = Mapping[str, str]


def any_text(data: str) -> Gold | None:
    """The gold score of a data file, where it scores any text; None where there is none to use."""
    gold = _gold_of(data)
    return None if gold is None or gold.fields else gold


def gold_for(data: str, prompt: str) -> tuple[Gold | None, Facts | None]:
    """The gold score of a data file as it can be asked about answers to one of its prompts.

    Args:
        data: The run's data.
        prompt: The prompt, exactly as the data have it.

    Returns:
        The score and the prompt's facts; no score where there is none to use, or where it asks for
        facts and the data have none for this prompt.
    """
    gold = _gold_of(data)
    path = file_of(data)
    if gold is None or path is None or not gold.fields:
        return gold, None
    facts = _facts(path, path.stat().st_mtime_ns).get(prompt)
    return (None, None) if facts is None else (gold, facts)


def _gold_of(data: str) -> Gold | None:
    path = file_of(data)
    try:
        return None if path is None else load_gold(path)
    except DrpoError:  # the score is an extra here; what is wrong with it is told at a launch
        return None


@lru_cache(maxsize=2)
def _facts(path: Path, written: int) -> dict[str, Facts]:  # noqa: ARG001 - part of the key
    """Facts by prompt, where the data state any."""
    try:
        pairs = load_pairs(str(path)).pairs
    except DrpoError:
        return {}
    return {pair.prompt: pair.facts for pair in pairs if pair.facts is not None}
