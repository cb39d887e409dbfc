"""A question about a file's columns in words, in the language that is spoken now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drpo.i18n import t
from drpo.i18n.format import count, share
from drpo.i18n.message import Message


def opening(question: Mapping[str, Any]) -> str:
    """What is asked, before the readings."""
    return Message.from_dict(question["opening"]).text()


def question_lines(question: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield each reading with its flag, its ties, what speaks for it and some rows."""
    if question is None:
        return
    for number, reading in enumerate(question["readings"], 1):
        yield f"{number}. --map {reading['map']}"
        for line in (*summary(question, reading), *evidence(reading)):
            yield f"   {line}"
        for row in reading["rows"]:
            yield f"   - {row_sentence(question, row)}"


def summary(question: Mapping[str, Any], reading: Mapping[str, Any]) -> list[str]:
    """How many ties there would be; nothing where single answers are rated."""
    return [t("data.ask_ties", share=share(reading["ties"]))] if question["second"] else []


def evidence(reading: Mapping[str, Any]) -> list[str]:
    """What other columns say of a reading."""
    return [
        t(
            "data.ask_evidence",
            columns=", ".join(map(repr, seen["columns"])),
            share=share(seen["agrees"]),
            count=count(seen["rows"]),
        )
        for seen in reading["evidence"]
    ]


def row_sentence(question: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """One row as it would be read."""
    answer = row["first"] if row["outcome"] == "first" else row["second"]
    said = t(f"data.ask_{row['outcome']}", first=question["first"], second=question["second"])
    if row["outcome"] == "rated":
        answer = row["first"]
    better = f" {answer[:60]!r}" if row["outcome"] in ("first", "second", "rated") else ""
    value = f"{question['label']} = {row['value']}"
    return f"{t('data.ask_row', row=row['row'])}: {value}: {said}{better}"
