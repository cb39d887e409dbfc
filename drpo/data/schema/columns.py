"""A file's columns: their names as words, and what a sample of their cells holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from drpo.data.io.limits import AmbiguousError
from drpo.data.schema.column_mapping import (
    UNJUDGED,
    code_of,
    name_words,
    normal_name,
    number_of,
)

Content = Literal["text", "number", "messages", "other"]

PROMPT = (
    "prompt",
    "instruction",
    "question",
    "query",
    "question_text",
    "user_input",
    "context",
    "history",
    "post",
    "user",
    "human",
    "input",
    "user_prompt",
    "user_query",
    "problem",
    "article",
    "document",
    "source_text",
    "message",
    "text",
)
HISTORY = ("prompt", "conversations", "conversation", "messages", "history", "context")
ANSWER = {
    "answer",
    "response",
    "output",
    "completion",
    "reply",
    "summary",
    "generation",
    "responses",
    "conversation",
    "candidate",
    "continuation",
    "responce",
    "ref",
    "option",
    "text",
    "message",
}
ASIDE = {
    "id",
    "ids",
    "model",
    "models",
    "score",
    "rating",
    "source",
    "reason",
    "explanation",
    "tokens",
    "token",
    "length",
    "avg",
    "metadata",
    "name",
    "logprob",
    "policy",
    "rationale",
    "lang",
    "language",
    "annotator",
    "reviewer",
    "count",
    "index",
    "hash",
}
SIDES = (
    ("1", "2"),
    ("0", "1"),
    ("a", "b"),
    ("left", "right"),
    ("first", "second"),
    ("j", "k"),
    ("x", "y"),
)
MOST_CODES = 24


@dataclass
class Column:
    """One column as the sample shows it."""

    name: str
    content: Content = "other"
    codes: set[str] = field(default_factory=set)
    strings: bool = False
    """Whether some values are texts, if only of digits."""
    words: list[str] = field(default_factory=list)
    low: float = math.inf
    high: float = -math.inf
    """The least and the greatest number."""
    whole: bool = True
    """Whether no number has a fraction."""
    numeric: bool = True
    """Whether every value is a number."""

    def see_number(self, value: Any) -> None:  # noqa: ANN401 - any cell
        """Take one value into account, if it is a number."""
        number = number_of(value)
        if number is None:
            self.numeric = False
            return
        self.low, self.high = min(self.low, number), max(self.high, number)
        self.whole &= number == int(number)


def describe_columns(sample: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Sum up each column of the sample."""
    columns: dict[str, Column] = {}
    seen: dict[str, dict[Content, int]] = {}
    for row in sample:
        for name, value in row.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = Column(name, words=name_words(name))
            if value is None or value == "":
                continue
            column.strings |= isinstance(value, str)
            if column.numeric and not is_missing(value):
                column.see_number(value)
            content = _content(value)
            counts = seen.setdefault(name, {})
            counts[content] = counts.get(content, 0) + 1
            if len(column.codes) <= MOST_CODES and not isinstance(value, list | dict):
                column.codes.add(code_of(value))
    for name, counts in seen.items():
        columns[name].content = max(counts, key=lambda content: counts[content])
    return columns


def _content(value: Any) -> Content:  # noqa: ANN401
    if isinstance(value, bool):
        return "other"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "number" if len(value) < 24 and _is_number(value) else "text"
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(value, list) and isinstance(first, str):
        return "messages"  # turns as plain texts
    if isinstance(first, dict) and {"role", "from", "content"} & first.keys():
        return "messages"
    return "other"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_missing(value: Any) -> bool:  # noqa: ANN401 - any cell
    """Whether a cell stands for no value: a float that is no number, or a word for it."""
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and len(value) < 8 and value.strip().casefold() in UNJUDGED


def texts(columns: Mapping[str, Column]) -> list[Column]:
    """Return the columns that may hold answers or prompts."""
    return [
        column
        for column in columns.values()
        if column.content in ("text", "messages") or (column.content == "number" and column.strings)
    ]


def named(
    columns: Mapping[str, Column],
    names: Sequence[str],
    contents: Sequence[Content] = ("text", "number"),
) -> str:
    """Return the first column that has one of the names and fitting content."""
    normal = {normal_name(name): name for name, c in columns.items() if c.content in contents}
    return next((normal[name] for name in names if name in normal), "")


def find_prompt(columns: Mapping[str, Column]) -> str:
    """Return the column with the prompt, empty if there is none."""
    exact = named(columns, PROMPT)
    if exact:
        return exact
    wanted = {"prompt", "instruction", "question", "query"}
    aside = ASIDE | {"system", "sys", "history", "previous"}
    found = [c for c in texts(columns) if wanted & set(c.words) and not aside & set(c.words)]
    if len(found) > 1:
        raise AmbiguousError(
            f"{' and '.join(repr(column.name) for column in found[:4])} could each be the prompt. "
            "Say which with --map prompt=COLUMN, or in the form on the Data screen."
        )
    return found[0].name if found else ""


def input_of(columns: Mapping[str, Column], prompt: str) -> str:
    """Return the second part of an instruction, empty if there is none."""
    if normal_name(prompt) != "instruction":
        return ""
    return named(columns, ("input", "context"))


def marked_pairs(
    columns: Sequence[Column], markers: tuple[str, str]
) -> list[tuple[Column, Column, list[str]]]:
    """Return columns whose names differ by the markers only, with the words they share."""
    pairs = []
    by_words = {tuple(column.words): column for column in columns}
    for column in columns:
        for index, word in enumerate(column.words):
            if word == markers[0]:
                twin = by_words.get((*column.words[:index], markers[1], *column.words[index + 1 :]))
                if twin is not None:
                    stem = [*column.words[:index], *column.words[index + 1 :]]
                    pairs.append((column, twin, stem))
    return pairs
