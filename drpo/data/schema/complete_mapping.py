"""Complete a layout of which a person gave some parts: the rest is found among what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drpo.data.io.limits import AmbiguousError
from drpo.data.schema.column_mapping import Layout, Shape, name_words
from drpo.data.schema.columns import HISTORY, Column, find_prompt, named
from drpo.data.schema.preference_columns import judged
from drpo.errors import DataError
from drpo.i18n.message import Message

REQUIRED: dict[Shape, tuple[str, ...]] = {
    "explicit": ("chosen", "rejected"),
    "transcripts": ("chosen", "rejected"),
    "messages": ("chosen", "rejected"),
    "answers": ("first", "second"),
    "demonstrations": ("response",),
    "lists": ("answers",),
    "rated": ("response",),
}


def fill_layout(
    columns: Mapping[str, Column], parts: Mapping[str, Any], shape: Shape, name: str
) -> Layout:
    """Build a layout from the parts given by hand.

    Raises:
        DataError: A part the shape cannot do without is missing and no column is named so.
        AmbiguousError: The judgement's codes are still unclear.
    """
    filled = dict(parts)
    for part in REQUIRED[shape]:
        filled.setdefault(part, named(columns, (part,), ("text", "messages")))
        if not filled[part]:
            raise DataError(
                f"{name}: the shape {shape!r} needs a column for {part}; say which with "
                f"--map {part}=COLUMN."
            )
    taken = {column for value in filled.values() for column in _names_in(value)}
    rest = {n: column for n, column in columns.items() if n not in taken}
    if "prompt" not in filled and shape != "transcripts":
        found = named(rest, HISTORY, ("messages",)) if shape == "messages" else ""
        filled["prompt"] = found or find_prompt(rest)
        if not filled["prompt"] and shape in ("explicit", "demonstrations"):
            raise AmbiguousError(f"{name}: no prompt column; say which with --map prompt=COLUMN.")
    if shape == "answers":
        first, second = columns[filled["first"]], columns[filled["second"]]
        layout = judged(
            first,
            second,
            markers_of(first.name, second.name),
            {n: c for n, c in columns.items() if n not in (first.name, second.name)},
            filled["prompt"],
            given=parts,
        )
        return replace(layout, **filled)
    return Layout(shape, reason=Message("mapping.by_hand"), **filled)


def markers_of(first: str, second: str) -> tuple[str, str]:
    """Return what tells two column names apart: `answer1` and `answer2` by 1 and 2."""
    words = name_words(first), name_words(second)
    if len(words[0]) == len(words[1]):
        differing = [(a, b) for a, b in zip(*words, strict=True) if a != b]
        if len(differing) == 1:
            return differing[0]
    return "", ""


def _names_in(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, tuple) else ()
