"""Cells that hold more than a text: structure written as text, and values reached by a path."""

from __future__ import annotations

import ast
import io
import json
import tokenize
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MISSING = {"nan", "NaN", "None", "null", "NULL", "[]", "{}", "<NA>"}
"""What tables write where a text is missing."""
SAMPLE_CELLS = 200
MOSTLY = 0.8
MOST_CHARS = 1_000_000
MOST_PATHS = 40

Row = Mapping[str, Any]


def is_missing_text(value: Any) -> bool:  # noqa: ANN401 - any cell
    """Whether a cell is a word that stands for no text."""
    return isinstance(value, str) and len(value) < 12 and value.strip() in MISSING


class Cells:
    """Reads the cells of one file's rows.

    Args:
        sample: Its first rows.
        mapping: What a person said; dotted names that are no columns are paths into them.
    """

    def __init__(self, sample: Sequence[Row], mapping: Mapping[str, Any]) -> None:
        names = dict.fromkeys(name for row in sample for name in row)
        self._structured = [name for name in names if _is_structured(name, sample)]
        said = [v for value in mapping.values() for v in (value if _is_list(value) else (value,))]
        self._paths = [
            path for path in said if isinstance(path, str) and "." in path and path not in names
        ]

    def read(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row with its structure read; the row itself where there is none."""
        if not self._structured and not self._paths:
            return row
        read = dict(row)
        for name in self._structured:
            if isinstance(read.get(name), str):
                found = parse_structure(read[name])
                read[name] = read[name] if found is None else found
        for path in self._paths:
            found = at_path(read, path)
            if found is not None:
                read[path] = found
        return read


def _is_list(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, list | tuple)


def _is_structured(name: str, sample: Sequence[Row]) -> bool:
    """Whether a column's texts are messages or lists of texts, written down."""
    cells: list[str] = []
    for row in sample:
        value = row.get(name)
        if isinstance(value, str) and value.strip() and not is_missing_text(value):
            if len(cells) == 0 and value.lstrip()[:1] not in "[{":
                return False
            cells.append(value)
            if len(cells) == SAMPLE_CELLS:
                break
    return bool(cells) and sum(_is_turns(parse_structure(cell)) for cell in cells) >= MOSTLY * len(
        cells
    )


def _is_turns(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, dict):
        return bool({"role", "from"} & value.keys())
    if not isinstance(value, list) or not value:
        return False
    return all(
        item is None or isinstance(item, str | dict) or (_is_list(item) and _is_turns(item))
        for item in value
    )


def parse_structure(text: str) -> Any:  # noqa: ANN401 - JSON
    """Read a list or an object written as JSON, or as Python or numpy print one; else None.

    Nothing is run: Python's forms are read as literals.
    """
    text = text.strip()
    if len(text) > MOST_CHARS or text[:1] + text[-1:] not in ("[]", "{}"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # escapes that Python would spell otherwise
            return ast.literal_eval(_with_commas(text))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError):
        return None


def _with_commas(text: str) -> str:
    """Put commas between neighbours: numpy prints none, and Python would join two texts to one."""
    pieces: list[str] = []
    last = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.INDENT):
            continue
        begins = token.type == tokenize.STRING or token.string in ("{", "[", "None")
        if begins and last:
            pieces.append(",")
        pieces.append(token.string)
        ends = token.type == tokenize.STRING or token.string in ("}", "]", "None")
        last = token.string if ends else ""
    return " ".join(pieces)


def at_path(row: Row, path: str) -> Any:  # noqa: ANN401 - any cell
    """Return what a dotted path leads to (`question.full_text`, `answers.0.text`), else None."""
    value: Any = row
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def nested_paths(rows: Sequence[Row]) -> list[str]:
    """Return the paths to texts and numbers in columns that hold objects."""
    found: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, dict) and not {"role", "from"} & value.keys():
                found |= dict.fromkeys(_leaves(name, value))
        if len(found) > MOST_PATHS:
            break
    return list(found)[:MOST_PATHS]


def _leaves(path: str, value: Mapping[str, Any], depth: int = 4) -> Iterator[str]:
    for name, inner in value.items():
        if isinstance(inner, dict) and depth:
            yield from _leaves(f"{path}.{name}", inner, depth - 1)
        elif isinstance(inner, str | int | float):
            yield f"{path}.{name}"
