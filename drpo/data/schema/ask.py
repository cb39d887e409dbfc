"""Fill a question with rows of the file, ties and what other columns say, before it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from drpo.data.io.limits import AmbiguousError
from drpo.data.schema.column_mapping import Layout, Outcome, build_parts
from drpo.data.schema.columns import (
    MOST_CODES,
    SIDES,
    Column,
    describe_columns,
    find_prompt,
    marked_pairs,
)
from drpo.data.schema.label_codes import code_readings
from drpo.data.schema.outcomes import outcome_of
from drpo.data.schema.preference_columns import score_pair
from drpo.data.schema.questions import AskedError, Judge, Question, illustrate
from drpo.data.schema.row_error import RowError
from drpo.i18n.format import share
from drpo.i18n.message import Message

MOST_ROWS = 2_000
"""Of the sample, as many rows are read under each reading."""

Rows = Sequence[tuple[int, Mapping[str, Any]]]


def asked_with_rows(error: AskedError, rows: Rows, mapping: Mapping[str, Any]) -> AskedError:
    """Return the question as it is to be shown.

    Args:
        error: What the columns' names and values left open.
        rows: The sample, each row with its number.
        mapping: What a person said already.
    """
    if not error.question.second:  # about single answers, and asked with its rows
        return error
    question, rows = error.question, rows[:MOST_ROWS]
    columns = describe_columns([row for _, row in rows])
    if not question.prompt:
        question = replace(question, prompt=mapping.get("prompt") or _prompt(columns))
    labels = tuple(mapping.get("labels") or (question.label,))
    base = Layout("answers", first=question.first, second=question.second, labels=labels)
    judges = [_judge(base, build_parts(reading.parts)) for reading in question.readings]
    filled = illustrate(question, rows, judges, _witnesses(question, columns, labels))
    if not filled.readings:
        return error
    return AskedError(_with_evidence(filled))


def _with_evidence(question: Question) -> Question:
    """Let the opening say which reading other columns speak for."""
    first = question.readings[0]
    if not first.supported:
        return question
    named = ", ".join(
        f"{', '.join(map(repr, seen['columns']))} ({share(seen['agrees'])})"
        for seen in first.evidence[:2]
    )
    opening = Message(
        "data.ask_opening_supported",
        opening=question.opening,
        columns=named[:200],
        flag=f"--map {first.flag()}",
    )
    return replace(question, opening=opening)


def _prompt(columns: Mapping[str, Column]) -> str:
    try:
        return find_prompt(columns)
    except AmbiguousError:
        return ""


def _judge(base: Layout, parts: Mapping[str, Any]) -> Judge:
    layout = replace(base, **parts)

    def judge(row: Mapping[str, Any]) -> Outcome | None:
        try:
            return outcome_of(row, layout)[0]
        except RowError:
            return None

    return judge


def _witnesses(
    question: Question, columns: Mapping[str, Column], labels: tuple[str, ...]
) -> list[tuple[tuple[str, ...], Judge]]:
    """Columns that also say which answer is better: scores, and labels whose words are plain."""
    answers = (question.first, question.second)
    rest = {n: c for n, c in columns.items() if n not in (*answers, *labels)}
    bare = Layout("answers", first=question.first, second=question.second)
    markers = _markers(columns, answers)
    found: list[tuple[tuple[str, ...], Judge]] = []
    scores = score_pair(rest, markers)
    if scores:
        found.append((scores, _judge(bare, {"scores": scores})))
    for column in rest.values():
        if column.numeric or not 1 < len(column.codes) <= MOST_CODES:
            continue
        readings = code_readings(column.codes, answers, markers, column.name)
        if len(readings) == 1 and {"first", "second"} <= set(readings[0].values()):
            parts = {"labels": (column.name,), "codes": readings[0]}
            found.append(((column.name,), _judge(bare, parts)))
    return found


def _markers(columns: Mapping[str, Column], answers: tuple[str, str]) -> tuple[str, str]:
    pair = [columns[name] for name in answers if name in columns]
    return next((markers for markers in SIDES if marked_pairs(pair, markers)), ("", ""))
