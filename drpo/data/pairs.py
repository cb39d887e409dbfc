"""The record that everything after reading works on: one preference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt with the answer people preferred and the one they did not.

    The trained text is exactly `prompt + chosen` (or `+ rejected`), nothing inserted: whitespace
    between the two belongs to one of them.
    """

    prompt: str
    chosen: str
    rejected: str
    facts: Mapping[str, str] | None = None
    """What a faithful answer states, where a gold score exists: slot to word."""
    gold_chosen: float | None = None
    gold_rejected: float | None = None
    row: int = 0
    """1-based row in the source, for messages."""
    margin: float | None = None
    """How clearly chosen was preferred, where the source says so."""
    evaluation_prompt: bool | None = None
    """True where people judged runs on this prompt: training leaves the row out, or those runs
    could no longer be judged on it."""


_NAMES = tuple(field.name for field in fields(Pair))


def row_of(pair: Pair) -> dict[str, Any]:
    """A pair as a row of JSON Lines: the fields it has; `Pair(**row)` reads it back."""
    return {name: value for name in _NAMES if (value := getattr(pair, name)) is not None}
