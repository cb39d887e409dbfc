"""Write saved pairs as JSON Lines, Parquet or CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from drpo.data.library.versions import load_version
from drpo.data.pairs import Pair
from drpo.errors import DataError
from drpo.store.schema import Dataset

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("jsonl", "parquet", "csv")
_NESTED = ("facts", "messages", "tools")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins so."""


def export_version(version: Dataset, form: str) -> bytes:
    """Return a version's pairs in one of FORMATS.

    Raises:
        DataError: The version cannot be read, or there is no such format.
    """
    rows = [_row(pair) for pair in load_version(version).pairs]
    if form == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if form == "parquet":
        return _parquet(rows)
    if form == "csv":
        return _csv(rows)
    raise DataError(f"No export as {form!r}; expected one of {', '.join(FORMATS)}.")


def neutral(cell: str) -> str:
    """Keep a spreadsheet from running a text as a formula: it is marked as text with a quote.

    Blanks before the sign do not help, as spreadsheets skip them.
    """
    return "'" + cell if cell.lstrip(" \n").startswith(FORMULA_STARTS) else cell


def table_csv(table: pd.DataFrame, *, index: bool = False) -> str:
    """A table as CSV, in which no text is a formula, whoever wrote it.

    Args:
        table: Figures and names.
        index: Whether its index is a column too.
    """

    def safe(cell: object) -> object:
        return neutral(cell) if isinstance(cell, str) else cell

    shown = table.reset_index() if index else table
    columns = [safe(name) for name in shown.columns]
    # With this end of a line a lone carriage return in a text is quoted, and begins no row.
    written = shown.map(safe).set_axis(columns, axis=1).to_csv(index=False, lineterminator="\r\n")
    return str(written)


def _row(pair: Pair) -> dict[str, Any]:
    row: dict[str, Any] = {
        "prompt": pair.prompt,
        "chosen": pair.chosen,
        "rejected": pair.rejected,
    }
    names = ("facts", "gold_chosen", "gold_rejected", "margin", "evaluation_prompt", *_NESTED[1:])
    for name in names:
        value = getattr(pair, name)
        if value is not None:
            row[name] = dict(value) if name == "facts" else value
    return row


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row of one type a column: what is nested goes as JSON text, which the import reads back."""
    return {
        name: json.dumps(value, ensure_ascii=False) if name in _NESTED else value
        for name, value in row.items()
    }


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    table = pa.table({name: [row.get(name) for row in flat] for name in names})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _csv(rows: list[dict[str, Any]]) -> bytes:
    sink = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(sink, names, restval="")
    writer.writeheader()
    for row in rows:
        cells = _flat(row)
        writer.writerow({n: neutral(v) if isinstance(v, str) else v for n, v in cells.items()})
    # The byte-order mark makes spreadsheets read it as UTF-8.
    return b"\xef\xbb\xbf" + sink.getvalue().encode()
