"""A source as numbered rows: JSON Lines, JSON, CSV, TSV, Parquet or Arrow, told by content."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from drpo.data.io.columnar import columnar_rows
from drpo.data.io.encodings import Encoding, detect_encoding
from drpo.data.io.json_stream import DECODER, JSONPieces, parse_piece
from drpo.data.io.limits import UnreadableError
from drpo.data.io.source import Source, excel_refused
from drpo.i18n.message import Message

Kind = Literal["JSON Lines", "JSON", "CSV", "TSV", "Parquet", "Arrow"]
DELIMITERS = (",", "\t", ";", "|")
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[;,\t]*\r?\n', re.IGNORECASE)
HEADER_CHARS = 1 << 16
MARKS: dict[bytes, Kind] = {b"PAR1": "Parquet", b"ARROW1": "Arrow", b"\xff\xff\xff\xff": "Arrow"}
"""What binary files of pairs begin with."""
OLD_EXCEL = b"\xd0\xcf\x11\xe0"


class RawRow(NamedTuple):
    """One row as it stands in the file, or the reason why it could not be read."""

    number: int
    """1-based: the line in JSON Lines, else the count of rows after the header."""
    value: dict[str, Any] | None
    problem: Message | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """What kind of file it is and how its text is written."""

    kind: Kind
    encoding: Encoding | None = None
    delimiter: str = ","
    skipped_lines: int = 0
    """Lines before the header: Excel writes the separator into one."""

    def describe(self, source: Source) -> str:
        """Say it in a few words, e.g. `JSON Lines, gzip, UTF-8`."""
        parts = [self.kind, source.container(), self.encoding.name if self.encoding else ""]
        return ", ".join(part for part in parts if part)


def detect_format(source: Source) -> Format:
    """Find out what a file is from its content.

    Raises:
        UnreadableError: It is broken or of no accepted format.
    """
    head = source.head()
    if head.startswith(OLD_EXCEL):
        raise UnreadableError(excel_refused(source.name))
    binary = next((kind for mark, kind in MARKS.items() if head.startswith(mark)), None)
    if binary is not None:
        return Format(binary)
    encoding = detect_encoding(source)
    text = _head_text(source, encoding)
    start = text.lstrip()
    if not start:
        raise UnreadableError(f"{source.name} holds only blank lines; choose a file with rows.")
    if "\x00" in start[:4096]:
        raise UnreadableError(
            f"{source.name} is a binary file of no accepted format; bring JSON Lines, JSON, CSV, "
            "TSV, Parquet or Arrow."
        )
    if start[0] == "[":
        return Format("JSON", encoding)
    if start[0] == "{":
        return Format("JSON Lines" if _is_lines(start, text) else "JSON", encoding)
    if _named_as_lines(source.name) or _mostly_objects(start):
        return Format("JSON Lines", encoding)
    named = SEPARATOR_LINE.match(start)
    if named is not None:
        return Format("CSV", encoding, named[1], skipped_lines=1)
    delimiter = _delimiter(start)
    if delimiter is None:
        raise UnreadableError(
            f"{source.name} has one column only, or no rows. Expected JSON Lines, JSON, CSV, TSV, "
            "Parquet or Arrow with a prompt and two answers."
        )
    return Format("TSV" if delimiter == "\t" else "CSV", encoding, delimiter)


def read_rows(source: Source, fmt: Format) -> Generator[RawRow]:
    """Yield the rows of a file, unreadable ones included.

    Raises:
        UnreadableError: The file breaks where no later row can be trusted, or has too many rows.
    """
    with closing(_rows(source, fmt)) as rows:
        count = 0
        for row in rows:
            count += 1
            if count > source.limits.rows:
                raise UnreadableError(
                    f"{source.name} has more than {source.limits.rows:,} rows, the most that is "
                    "taken here; split it, or use `drpo data import FILE NAME`."
                )
            yield row
    if count == 0:
        raise UnreadableError(f"{source.name} has no rows; choose a file with at least one.")


def _rows(source: Source, fmt: Format) -> Generator[RawRow]:
    if fmt.kind in ("Parquet", "Arrow"):
        for number, value in enumerate(columnar_rows(source), 1):
            yield RawRow(number, value)
        return
    if fmt.encoding is None:
        raise ValueError("a text format needs an encoding")
    with io.TextIOWrapper(source.open(), fmt.encoding.codec, newline="") as text:
        if fmt.kind == "JSON Lines":
            yield from _lines(text, source)
        elif fmt.kind == "JSON":
            for number, value in enumerate(JSONPieces(text, source.name, source.limits).rows(), 1):
                yield _as_row(number, value)
        else:
            for _ in range(fmt.skipped_lines):
                text.readline(HEADER_CHARS)
            yield from _table(text, source, fmt.delimiter)


def _lines(text: io.TextIOWrapper, source: Source) -> Iterator[RawRow]:
    good = 0
    for number, line in enumerate(_bounded_lines(text, source.limits.row_chars), 1):
        if line is None:
            why = Message("rows.too_long", most=source.limits.row_chars)
            yield RawRow(number, None, why)
            continue
        stripped = line.strip().lstrip("\ufeff")
        if not stripped:
            continue
        try:
            row = _as_row(number, parse_piece(stripped))
        except ValueError as error:
            row = RawRow(number, None, Message("rows.not_json", error=str(error)[:120]))
        good += row.value is not None
        yield row
        if number >= 1000 and good == 0:
            raise UnreadableError(
                f"{source.name}: none of the first 1,000 lines is a JSON object; "
                f"line 1: {row.problem}."
            )


def _as_row(number: int, value: Any) -> RawRow:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return RawRow(number, value)
    kinds = {
        list: Message("rows.type_array"),
        str: Message("rows.type_text"),
        bool: Message("rows.type_bool"),
        type(None): Message("rows.type_null"),
    }
    found = kinds.get(type(value), Message("rows.type_number"))
    return RawRow(number, None, Message("rows.not_object", found=found))


def _bounded_lines(text: io.TextIOWrapper, most: int) -> Iterator[str | None]:
    """Yield lines; None for one that is too long, which is passed over without keeping it."""
    while line := text.readline(most + 1):
        if len(line) <= most:
            yield line
            continue
        while line and not line.endswith("\n"):
            line = text.readline(most + 1)
        yield None


def _table(text: io.TextIOWrapper, source: Source, delimiter: str) -> Iterator[RawRow]:
    csv.field_size_limit(source.limits.row_chars)
    reader = csv.reader(_csv_lines(text, source), delimiter=delimiter, strict=True)
    number = 0
    try:
        header = _unique_names(next(reader, []))
        for cells in reader:
            if not cells:
                continue
            number += 1
            if len(cells) != len(header):
                line = reader.line_num
                why = Message("rows.cells", found=len(cells), expected=len(header), line=line)
                yield RawRow(number, None, why)
            else:
                yield RawRow(number, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        reason = str(error)
        cut = "unexpected end" in reason
        raise UnreadableError(
            f"{source.name}: row {number + 1} (line {reader.line_num}) "
            + ("opens a quotation mark that never closes; " if cut else f"breaks ({reason}); ")
            + ("the file may be cut off." if cut else "repair the quotation marks there.")
        ) from error


def _csv_lines(text: io.TextIOWrapper, source: Source) -> Iterator[str]:
    for number, line in enumerate(_bounded_lines(text, source.limits.row_chars), 1):
        if line is None:
            raise UnreadableError(
                f"{source.name}: line {number:,} has over {source.limits.row_chars:,} characters; "
                "this is no table of answers."
            )
        yield line


def _unique_names(header: list[str]) -> list[str]:
    """Give unnamed and repeated columns names of their own."""
    names: dict[str, None] = {}
    for index, name in enumerate(header):
        clean = name.strip() or f"column {index + 1}"
        while clean in names:
            clean = f"{clean} ({index + 1})"
        names[clean] = None
    return list(names)


def _head_text(source: Source, encoding: Encoding) -> str:
    with io.TextIOWrapper(source.open(), encoding.codec, newline="", errors="replace") as text:
        return text.read(HEADER_CHARS).lstrip("\ufeff")


def _named_as_lines(name: str) -> bool:
    return name.lower().removesuffix(".gz").removesuffix(".zip").endswith((".jsonl", ".ndjson"))


def _mostly_objects(text: str) -> bool:
    lines = [line.strip() for line in text.splitlines()[:20] if line.strip()]
    return sum(line.startswith('{"') for line in lines) * 2 > len(lines)


def _is_lines(start: str, text: str) -> bool:
    """Tell JSON Lines from one JSON object that holds an array of rows."""
    first, newline, rest = start.partition("\n")
    if not newline and len(text) >= HEADER_CHARS:
        # The first line is longer than we looked: rows hold texts or messages, not rows.
        return not _opens_array_of_rows(first)
    try:
        value, end = DECODER.raw_decode(first)
    except (ValueError, RecursionError):
        # A pretty-printed object breaks its first line early; a damaged line of JSON Lines is
        # followed by others that begin as objects.
        return bool(rest) and _mostly_objects(rest)
    if first[end:].strip():
        return True
    return bool(rest.strip()) or not _holds_rows(value)


def _holds_rows(value: dict[str, Any]) -> bool:
    arrays = [v for v in value.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
    return len(arrays) == 1 and not {"role", "from"} & arrays[0][0].keys()


def _opens_array_of_rows(first: str) -> bool:
    head = first[:2000].replace(" ", "")
    opened = head.find("[{")
    if opened < 0 or head[:opened].count('":') != 1:
        return False
    return not head[opened:].startswith(('[{"role"', '[{"from"', '[{"content"', '[{"value"'))


def _delimiter(text: str) -> str | None:
    """Return the delimiter that cuts the first record into most columns, if any makes two."""
    best, most = None, 1
    for delimiter in DELIMITERS:
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:
            continue
        if len(header) > most:
            best, most = delimiter, len(header)
    return best
