"""How the command line prints: one JSON document, a table, or a line of progress."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

import typer

from drpo.types import finite

_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Signs that a terminal obeys instead of showing them, or that turn the order of a line around."""


def say(text: str, *, err: bool = False) -> None:
    """Print a line; what a model or a file wrote moves no cursor, sets no title and hides nothing.

    Args:
        text: May hold anything.
        err: To standard error.
    """
    typer.echo(printable(text), err=err)


def printable(text: str) -> str:
    """A text with each sign that a terminal would obey written out, as JSON writes it."""
    return _COMMANDS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def print_json(document: Any) -> None:  # noqa: ANN401 - any JSON
    """Print one JSON document; numbers that JSON lacks become null."""
    say(json.dumps(finite(document), ensure_ascii=False, indent=2, allow_nan=False))


def print_table(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> None:
    """Print left-aligned columns."""
    widths = [max(map(width, column)) for column in zip(heads, *rows, strict=True)]
    for row in [heads, *rows]:
        cells = [padded(cell, wanted) for cell, wanted in zip(row, widths, strict=True)]
        say("  ".join(cells).rstrip())


def width(text: str) -> int:
    """How many columns of a terminal a text takes: a Japanese sign takes two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def padded(text: str, wanted: int) -> str:
    """A text filled up with blanks to a width."""
    return text + " " * (wanted - width(text))


def figure(value: float | None, digits: int = 2) -> str:
    """A number for a table; a dash when there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


class ProgressLine:
    """One line on standard error that is written over while a run goes on."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._last = ""

    def show(self, text: str) -> None:
        """Replace the line; where there is no terminal, print a line only when it changed."""
        if text == self._last:
            return
        if self._on_terminal:
            over = padded(printable(text), max(width(text), width(self._last)))
            typer.echo(f"\r{over}", nl=False, err=True)
        else:
            say(text, err=True)
        self._last = text

    def end(self) -> None:
        """Leave the line as it stands."""
        if self._on_terminal and self._last:
            typer.echo("", err=True)
        self._last = ""
