"""Complete a layout of which a person gave some parts: the rest is found among what is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drpo.data.labels import decide_codes
from drpo.data.layout import Layout, Shape, name_words
from drpo.data.limits import AmbiguousError
from drpo.data.recognise import HISTORY, Column, find_labels, find_prompt, named
from drpo.errors import DataError

REQUIRED: dict[Shape, tuple[str, ...]] = {
    "explicit": ("chosen", "rejected"),
    "transcripts": ("chosen", "rejected"),
    "messages": ("chosen", "rejected"),
    "answers": ("first", "second"),
    "demonstrations": ("response",),
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
        _fill_judgement(columns, rest, filled)
    return Layout(shape, reason="As given by hand.", **filled)


def _fill_judgement(
    columns: Mapping[str, Column], rest: Mapping[str, Column], filled: dict[str, Any]
) -> None:
    if filled.get("scores") or filled.get("one_hot"):
        return
    labels = filled.get("labels") or tuple(column.name for column in find_labels(rest))
    if not labels:
        raise AmbiguousError(
            "No column says which answer is better; say which does with --map labels=COLUMN."
        )
    filled["labels"] = labels
    if not filled.get("codes") and not filled.get("names"):
        values = {code for label in labels for code in columns[label].codes}
        answers = (filled["first"], filled["second"])
        filled["codes"] = decide_codes(values, answers, markers_of(*answers), labels[0])


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
