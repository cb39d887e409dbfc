"""Parquet and Arrow files, decoded in a process of their own with a memory limit.

What a columnar file says about its sizes is written by whoever made it: 65 kB on disk may decode
to hundreds of megabytes in a single page, and a damaged file may bring the decoder down. So a
child process with a limit on its memory decodes, and hands over one JSON text a row.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Any

from drpo.data.io.limits import UnreadableError
from drpo.data.io.source import Source
from drpo.system.processes import start_module

REASON_CHARS = 300


def columnar_rows(source: Source) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet or Arrow file as dictionaries.

    Raises:
        UnreadableError: The file is broken, or decodes to more than is allowed.
    """
    with tempfile.TemporaryFile() as unpacked:
        with source.open() as stream:
            shutil.copyfileobj(stream, unpacked, 1 << 20)
        unpacked.seek(0)
        bounds = (str(source.limits.text_bytes), str(source.limits.decode_bytes))
        with start_module(
            "drpo.data.io.decode_columnar",
            *bounds,
            stdin=unpacked,
            environment={"ARROW_DEFAULT_MEMORY_POOL": "system"},
        ) as child:
            yield from _rows_of(child, source)


def _rows_of(child: subprocess.Popen[bytes], source: Source) -> Iterator[dict[str, Any]]:
    if child.stdout is None or child.stderr is None:
        raise ValueError("the child needs both pipes")
    complaint: list[bytes] = []
    # Its complaints are read beside, or a long one would stop both processes for good.
    drain = threading.Thread(target=_drain, args=(child.stderr, complaint), daemon=True)
    drain.start()
    ended = False
    try:
        for line in child.stdout:
            row = json.loads(line)
            if row is None:
                ended = True
                break
            yield row
    finally:
        if not ended:
            child.kill()
        child.wait()
        drain.join()
    if not ended:
        said = b"".join(complaint).decode(errors="replace").strip().splitlines()
        reason = said[-1][:REASON_CHARS] if said else "the decoder stopped without a word"
        raise UnreadableError(f"{source.name} cannot be decoded: {reason}. Write the file again.")


def _drain(stream: IO[bytes], into: list[bytes]) -> None:
    kept = 0
    while chunk := stream.read(4096):
        if kept < 1 << 16:
            into.append(chunk)
            kept += len(chunk)
