"""The child process behind `drpo.data.io.columnar`: standard input to one JSON text a row."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import IO, Any

BATCH_ROWS = 64


def _child(most_bytes: int, most_memory: int) -> int:
    """Decode standard input and write rows to standard output, one JSON text a line."""
    import pyarrow as pa

    _limit_memory(most_memory)
    total = 0
    out = sys.stdout.buffer
    try:
        for batch in _batches(pa, sys.stdin.buffer):
            total += batch.nbytes
            if total > most_bytes:
                raise ValueError(  # noqa: TRY301 - one place turns every reason into a sentence
                    f"it decodes to more than {most_bytes / 1e6:,.0f} MB, whatever its metadata say"
                )
            for row in batch.to_pylist():
                out.write(json.dumps(row, default=_plain).encode() + b"\n")
        out.write(b"null\n")
        out.flush()
    except MemoryError:
        sys.stderr.write("\nit needs more memory to decode than any honest file of its size")
        return 1
    except BrokenPipeError:
        return 1
    except Exception as error:  # pyarrow's and the decoders' errors share no base
        sys.stderr.write("\n" + (str(error).splitlines() or [type(error).__name__])[0])
        return 1
    return 0


def _batches(pa: Any, stream: IO[bytes]) -> Iterator[Any]:  # noqa: ANN401 - pyarrow has no types
    import pyarrow.parquet as pq

    file = pa.PythonFile(stream, mode="r")
    head = file.read(8)
    file.seek(0)
    if head.startswith(b"PAR1"):
        table = pq.ParquetFile(file, memory_map=False, pre_buffer=False)
        yield from table.iter_batches(batch_size=BATCH_ROWS, use_threads=False)
    elif head.startswith(b"ARROW1"):
        reader = pa.ipc.open_file(file)
        for index in range(reader.num_record_batches):
            yield from _slices(reader.get_batch(index))
    else:
        for batch in pa.ipc.open_stream(file):
            yield from _slices(batch)


def _slices(batch: Any) -> Iterator[Any]:  # noqa: ANN401
    for start in range(0, batch.num_rows, BATCH_ROWS):
        yield batch.slice(start, BATCH_ROWS)


def _limit_memory(most: int) -> None:
    # Not every system has limits on memory; the bound on decoded bytes holds everywhere.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm") as statm:  # noqa: PTH123 - a kernel table, not a file
            used = int(statm.read().split()[0]) * resource.getpagesize()
        limit = used + most
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _plain(value: Any) -> str:  # noqa: ANN401
    """Show a value JSON has no form for (a date, bytes) as text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    sys.exit(_child(int(sys.argv[1]), int(sys.argv[2])))
