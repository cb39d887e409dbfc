"""Which encoding a text is in: UTF-8, UTF-16 or Shift-JIS, decided by reading all of it."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from drpo.data.io.limits import UnreadableError
from drpo.data.io.source import CHUNK, Source

SHIFT_JIS_SAMPLE = 1 << 20


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec that decodes the whole text, and what to say about it."""

    codec: str
    name: str


UTF8 = Encoding("utf-8", "UTF-8")


def detect_encoding(source: Source) -> Encoding:
    """Find the encoding of a text file.

    A byte-order mark decides. Without one the text must be valid UTF-8 throughout, or UTF-16 by its
    zero bytes, or Shift-JIS that reads as Japanese.

    Raises:
        UnreadableError: It is none of these; the message names the place.
    """
    head = source.head(4096)
    encoding = _by_mark(head) or UTF8
    place = _first_bad_byte(source, encoding)
    if place is None:
        return encoding
    japanese = Encoding("cp932", "Shift-JIS")
    if encoding is UTF8 and _reads_as_japanese(source):
        if _first_bad_byte(source, japanese) is None:
            return japanese
        raise UnreadableError(
            f"{source.name} looks like Shift-JIS but breaks in line {place.line} or later; "
            "save it again as UTF-8."
        )
    if place.at_end:
        raise UnreadableError(
            f"{source.name} is cut off in the middle of a character, in line {place.line} "
            f"(byte {place.byte:,}); download or copy it again."
        )
    raise UnreadableError(
        f"{source.name} is not {encoding.name} text: line {place.line} (byte {place.byte:,}) holds "
        "bytes that no accepted encoding has; save it as UTF-8 and try again."
    )


def _by_mark(head: bytes) -> Encoding | None:
    if head.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8-sig", "UTF-8 with a byte-order mark")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Encoding("utf-16", "UTF-16")
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) * 5 > len(head) and min(even, odd) * 20 <= len(head):
        return Encoding("utf-16-be" if even > odd else "utf-16-le", "UTF-16")
    return None


@dataclass(frozen=True, slots=True)
class _Place:
    byte: int
    line: int
    at_end: bool


def _first_bad_byte(source: Source, encoding: Encoding) -> _Place | None:
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    byte = 0
    lines = 1
    with source.open() as stream:
        while True:
            chunk = stream.read(CHUNK)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # The decoder may still hold the start of a character from the chunk before.
                held = len(error.object) - len(chunk)
                bad = max(0, error.start - held)
                last = not chunk or not stream.peek(1)
                cut = last and error.start >= len(error.object) - 4 and not chunk
                return _Place(byte + bad, lines + chunk[:bad].count(b"\n"), cut)
            if not chunk:
                return None
            byte += len(chunk)
            lines += chunk.count(b"\n")


def _reads_as_japanese(source: Source) -> bool:
    """Tell Shift-JIS from a damaged UTF-8 file, which often decodes as half-width kana."""
    text = source.head(SHIFT_JIS_SAMPLE).decode("cp932", errors="ignore")
    kana = sum("぀" <= char <= "ヿ" for char in text)
    halfwidth = sum("｡" <= char <= "ﾟ" for char in text)
    return kana > 0 and kana > 4 * halfwidth
