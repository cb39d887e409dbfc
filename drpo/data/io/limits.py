"""How much one file may ask of this machine, and the errors that say so."""

from __future__ import annotations

from dataclasses import dataclass

from drpo.errors import DataError

MEGABYTE = 1_000_000


class UnreadableError(DataError):
    """The file as a whole cannot be read: broken, empty, too large, or of no known format."""


class AmbiguousError(DataError):
    """The file can be read in more than one way; the message asks and says how to answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds checked while reading, never from what a file claims about itself."""

    file_bytes: int = 50 * 2**20
    """The file as it lies on disk."""
    text_bytes: int = 200 * MEGABYTE
    """After decompression."""
    ratio: int = 200
    """Decompressed over compressed size; honest text stays below 50."""
    rows: int = 200_000
    decode_bytes: int = 700 * MEGABYTE
    """Memory that decoding Parquet or Arrow may take beyond the decoder itself."""
    row_chars: int = 4 * MEGABYTE
    """One line, one JSON element, one CSV cell."""


UPLOAD = Limits()
"""What the screen and `drpo data check` take."""

STREAM = Limits(file_bytes=20_000 * MEGABYTE, text_bytes=100_000 * MEGABYTE, rows=50_000_000)
"""What `drpo data import` takes: rows pass through one by one, so only disk is used."""

RATIO_FROM = 4 * MEGABYTE
"""The ratio is judged only beyond this much text: small files may compress very well."""
