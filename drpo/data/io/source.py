"""A file someone brought: opened, unpacked and bounded, whatever its name claims.

The name is only ever shown. What a file is follows from its first bytes; how large it is follows
from reading it, because headers lie.
"""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from drpo.data.io.limits import RATIO_FROM, UPLOAD, Limits, UnreadableError
from drpo.home import brought

Container = Literal["", "gzip", "zip"]
SHEETS = ("xl/workbook.xml", "content.xml")
"""What is in an Excel or LibreOffice workbook, which is a zip of its parts."""
CHUNK = 1 << 18
MOST_ZIP_ENTRIES = 1_000


def file_of(text: str) -> Path | None:
    """The file of this path; None where there is none, or where the text can be no path."""
    try:
        path = Path(brought(text)).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # too long for a path; no such ~user; a NUL
        return None


@dataclass(frozen=True)
class Source:
    """Bytes that can be read again and again, with bounds on every reading."""

    name: str
    """As the person knows it; text for messages, never a path."""
    size: int
    limits: Limits
    _open_raw: Callable[[], IO[bytes]]

    @classmethod
    def from_path(cls, path: Path, *, limits: Limits = UPLOAD, name: str | None = None) -> Source:
        """Take a file on disk.

        Raises:
            UnreadableError: It is missing, not a plain file, empty or too large.
        """
        shown = _shown(name or path.name)
        try:
            status = path.stat()
        except (OSError, ValueError) as error:
            message = f"{shown}: there is no such file to read; check the path."
            raise UnreadableError(message) from error
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError(f"{shown} is not a plain file; give one file with pairs.")
        return cls._checked(shown, status.st_size, limits, lambda: path.open("rb"))

    @classmethod
    def from_bytes(cls, content: bytes, *, name: str, limits: Limits = UPLOAD) -> Source:
        """Take an upload that is in memory."""
        return cls._checked(_shown(name), len(content), limits, lambda: io.BytesIO(content))

    @classmethod
    def _checked(
        cls, name: str, size: int, limits: Limits, open_raw: Callable[[], IO[bytes]]
    ) -> Source:
        if size == 0:
            raise UnreadableError(f"{name} is empty; choose a file with at least one row.")
        if size > limits.file_bytes:
            raise UnreadableError(
                f"{name} has {size / 1e6:,.0f} MB; at most {limits.file_bytes / 1e6:,.0f} MB are "
                "taken here. `drpo data import FILE NAME` takes larger files in a stream."
            )
        return cls(name, size, limits, open_raw)

    def container(self) -> Container:
        """Say how the file is packed, from its first bytes."""
        try:
            with self._open_raw() as raw:
                head = raw.read(4)
        except OSError as error:
            raise self._unreadable(error) from error
        if head[:2] == b"\x1f\x8b":
            return "gzip"
        return "zip" if head[:4] == b"PK\x03\x04" else ""

    def open(self) -> io.BufferedReader:
        """Open the unpacked bytes.

        Raises:
            UnreadableError: While reading: broken or cut-off packing, or more text than allowed.
        """
        return io.BufferedReader(_ChunkReader(self._bounded()), CHUNK)

    def head(self, count: int = 1 << 16) -> bytes:
        """Return the first unpacked bytes."""
        with self.open() as stream:
            return stream.read(count)

    def sha256(self) -> str:
        """Hash the file as it lies, packing included."""
        digest = hashlib.sha256()
        with self._open_raw() as raw:
            while chunk := raw.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def _bounded(self) -> Iterator[bytes]:
        total = 0
        for chunk in self._unpacked():
            total += len(chunk)
            if total > self.limits.text_bytes:
                raise UnreadableError(
                    f"{self.name} unpacks to more than {self.limits.text_bytes / 1e6:,.0f} MB, "
                    "the most that is taken here. Split it, or use `drpo data import`."
                )
            if total > RATIO_FROM and total > self.limits.ratio * self.size:
                raise UnreadableError(
                    f"{self.name} unpacks to more than {self.limits.ratio} times its size, which "
                    "no honest text does; unpack it by hand if you trust it."
                )
            yield chunk
        if total == 0:
            raise UnreadableError(f"{self.name} is empty inside; choose a file with rows.")

    def _unpacked(self) -> Iterator[bytes]:
        packing = self.container()
        try:
            with self._open_raw() as raw:
                if packing == "gzip":
                    yield from self._gunzipped(raw)
                elif packing == "zip":
                    yield from self._unzipped(raw)
                else:
                    while chunk := raw.read(CHUNK):
                        yield chunk
        except OSError as error:
            raise self._unreadable(error) from error

    def _gunzipped(self, raw: IO[bytes]) -> Iterator[bytes]:
        inflate = zlib.decompressobj(wbits=31)
        done = 0
        pending = b""
        while True:
            pending = pending or raw.read(CHUNK)
            if not pending:
                break
            if inflate.eof:  # another member follows the first, as `cat a.gz b.gz` makes
                if not pending.strip(b"\x00"):
                    pending = b""
                    continue
                inflate = zlib.decompressobj(wbits=31)
            try:
                chunk = inflate.decompress(pending, CHUNK)
            except zlib.error as error:
                raise UnreadableError(
                    f"{self.name}: the gzip data break after {done:,} bytes of text; "
                    "download or compress the file again."
                ) from error
            pending = inflate.unconsumed_tail or inflate.unused_data
            done += len(chunk)
            if chunk:
                yield chunk
        if not inflate.eof:
            raise UnreadableError(
                f"{self.name} is cut off: its gzip data end after {done:,} bytes of text without "
                "an end mark; download or copy it again."
            )

    def _unzipped(self, raw: IO[bytes]) -> Iterator[bytes]:
        # A directory of a million entries costs zipfile hundreds of megabytes before it answers.
        entries = sum(chunk.count(b"PK\x01\x02") for chunk in iter(lambda: raw.read(CHUNK), b""))
        if entries > MOST_ZIP_ENTRIES:
            raise UnreadableError(
                f"{self.name} holds {entries:,} files; a zip must hold exactly one."
            )
        try:
            with zipfile.ZipFile(raw) as archive:
                files = [
                    info
                    for info in archive.infolist()
                    if not info.is_dir() and not info.filename.startswith("__MACOSX/")
                ]
                with archive.open(self._only(files)) as member:
                    while chunk := member.read(CHUNK):
                        yield chunk
        except UnreadableError:
            raise
        # zipfile lets its helpers' errors through: a wrong password, an unknown method, bad data.
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
            raise UnreadableError(
                f"{self.name}: the zip archive is broken, encrypted or cut off ({_first(error)}); "
                "pack or download it again."
            ) from error
        except Exception as error:  # lzma and bz2 members have errors of their own
            raise UnreadableError(
                f"{self.name}: the zip archive cannot be unpacked ({_first(error)}); pack it again."
            ) from error

    def _only(self, files: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
        if any(file.filename in SHEETS for file in files):
            raise UnreadableError(excel_refused(self.name))
        if len(files) != 1:
            raise UnreadableError(
                f"{self.name} holds {len(files)} files; a zip must hold exactly one. "
                "Bring the file with the pairs alone."
            )
        return files[0]

    def _unreadable(self, error: OSError) -> UnreadableError:
        reason = error.strerror or _first(error)
        return UnreadableError(f"{self.name} cannot be read: {reason}. Check it and try again.")


class _ChunkReader(io.RawIOBase):
    """An iterator of chunks as a readable stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        # Closing the generator closes the file it reads.
        close = getattr(self._chunks, "close", None)
        if close is not None and not self.closed:
            close()
        super().close()


def _shown(name: str) -> str:
    """Make a name printable on one line; a hostile one may hold anything."""
    last = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    clean = "".join(char if char.isprintable() else "?" for char in last)
    return clean[:120] or "the file"


def _first(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def excel_refused(name: str) -> str:
    """Say what to do with a workbook."""
    return (
        f"{name} is a workbook of Excel or LibreOffice, which is not read; expected a text file. "
        "Save its sheet as CSV (UTF-8), and bring that."
    )
