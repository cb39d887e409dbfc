"""JSON read piece by piece: a line, an array's element or an object's member at a time.

The whole of a large document never lies in memory as Python objects, and no single piece may be
larger than the limit, so a short text that opens a million brackets costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from drpo.data.io.limits import Limits, UnreadableError

CHUNK_CHARS = 1 << 16
SPACES = " \t\r\n\ufeff"


def _no_number(_name: str) -> None:
    """NaN and Infinity are not JSON, yet Python writes them: read them as a missing value."""


DECODER = json.JSONDecoder(parse_constant=_no_number)


def parse_piece(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Parse one complete JSON text.

    Raises:
        ValueError: It is not JSON; the message says where.
    """
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


class JSONPieces:
    """Walks a JSON document that is an array, or an object that holds one array of rows."""

    def __init__(self, stream: IO[str], name: str, limits: Limits) -> None:
        self._stream = stream
        self._name = name
        self._limits = limits
        self._text = ""
        self._at = 0
        self._before = 0
        """Characters already dropped from the front of the text."""
        self._ended = False

    def rows(self) -> Iterator[Any]:
        """Yield the elements of the one array.

        Raises:
            UnreadableError: The document is broken, cut off, or holds no single array of rows.
        """
        first = self._peek()
        if first == "[":
            yield from self._array()
        elif first == "{":
            yield from self._object()
        else:
            raise self._error("expected '[' or '{'")
        if self._peek():
            raise self._error("there is more text after the end of the document")

    def _object(self) -> Iterator[Any]:
        """Yield the rows of the one member that is an array of objects; pass over the rest."""
        seen = ""
        self._at += 1
        while self._peek() != "}":
            key = self._value()
            if not isinstance(key, str):
                raise self._error("expected a name in quotation marks")
            self._expect(":")
            if self._peek() == "[":
                for index, row in enumerate(self._array()):
                    if index == 0 and isinstance(row, dict):
                        if seen:
                            raise UnreadableError(
                                f"{self._name} holds two arrays of rows, {seen!r} and "
                                f"{key[:60]!r}; keep one of them in the file."
                            )
                        seen = key[:60]
                    if seen == key[:60]:
                        yield row
            else:
                self._value()
            if self._peek() != "}":
                self._expect(",")
        self._at += 1
        if not seen:
            raise UnreadableError(
                f"{self._name} is one JSON object without an array of rows; expected an array of "
                'objects, or an object such as {"data": [...]}.'
            )

    def _array(self) -> Iterator[Any]:
        self._at += 1
        while self._peek() != "]":
            yield self._value()
            if self._peek() != "]":
                self._expect(",")
                if self._peek() == "]":
                    raise self._error("expected a value after the comma")
        self._at += 1

    def _expect(self, char: str) -> None:
        if self._peek() != char:
            raise self._error(f"expected {char!r}")
        self._at += 1

    def _value(self) -> Any:  # noqa: ANN401 - any JSON value
        """Parse the value at the cursor, reading on until it is complete."""
        self._peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # A string without its end quote is reported at its start: it may only be cut by
                # the chunk. An error well before the end of the text is a real one.
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - 16
                if self._ended or not cut:
                    raise self._error(error.msg.lower(), error.pos) from error
            except RecursionError as error:
                raise self._error("nested too deeply") from error
            except ValueError as error:  # a number with more digits than Python converts
                raise self._error("a number is too long") from error
            else:
                # A number at the very end of the chunk may have more digits in the next one.
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            if len(self._text) - self._at > self._limits.row_chars:
                raise self._error(f"one row has more than {self._limits.row_chars:,} characters")
            # Doubling keeps the repeated attempts linear in the size of the piece.
            self._more(max(CHUNK_CHARS, len(self._text) - self._at))

    def _peek(self) -> str:
        while True:
            while self._at < len(self._text) and self._text[self._at] in SPACES:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._more(CHUNK_CHARS)

    def _more(self, count: int) -> None:
        chunk = self._stream.read(count)
        self._ended = not chunk
        self._before += self._at
        self._text = self._text[self._at :] + chunk
        self._at = 0

    def _error(self, what: str, position: int | None = None) -> UnreadableError:
        place = self._before + (self._at if position is None else position) + 1
        cut = self._ended and (self._at if position is None else position) >= len(self._text) - 1
        if cut or (self._ended and what.startswith("unterminated")):
            return UnreadableError(
                f"{self._name} is cut off: the JSON ends at character {place:,} before it is "
                "complete; download or copy it again."
            )
        return UnreadableError(
            f"{self._name} is not valid JSON: {what} at character {place:,}; repair it there, or "
            "bring one JSON object a line."
        )
