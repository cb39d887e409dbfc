"""One pass over the rows of a file, as pairs, with an account of the rows that are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import Any, get_args

from drpo.data.io.limits import AmbiguousError, UnreadableError
from drpo.data.io.readers import Format, RawRow, detect_format, read_rows
from drpo.data.io.source import Source
from drpo.data.pairs import Pair
from drpo.data.quality.problems import Problems
from drpo.data.schema.ask import asked_with_rows
from drpo.data.schema.cells import Cells, nested_paths
from drpo.data.schema.column_mapping import SHAPES, Layout, Shape
from drpo.data.schema.columns import describe_columns
from drpo.data.schema.complete_mapping import fill_layout
from drpo.data.schema.context import with_context
from drpo.data.schema.convert import Converter
from drpo.data.schema.infer_mapping import recognise
from drpo.data.schema.pairing import RuleCounts
from drpo.data.schema.questions import AskedError
from drpo.data.schema.rated import pair_layout, pair_rows
from drpo.errors import DataError

SAMPLE_ROWS = 5_000
NAMED_ROWS = 100
SAMPLE_CHARS = 16_000_000
TELL_EVERY = 2_000
MOST_COLUMNS = 2_000
"""More than any table of answers has; each is looked at by every rule that recognises one."""

Progress = Callable[[str, int, int], None]
"""Told the stage, how much of it is done and of how much (0 when unknown)."""


class PairReader:
    """The rows of a source as pairs; iterate over it once.

    Of a demonstrations file the records are answers to reset into, each the `chosen` of a record.

    Args:
        source: The file.
        mapping: Parts of the layout given by hand, as `parse_map` returns them.
        shape: The layout's shape given by hand.
        progress: Told how many rows are read.

    Raises:
        UnreadableError: The file cannot be read, or breaks off while it is.
        AmbiguousError: It can be read in several ways, and none was chosen.
        DataError: The mapping does not fit the file.
    """

    def __init__(
        self,
        source: Source,
        *,
        mapping: Mapping[str, Any] | None = None,
        shape: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        found = detect_format(source)
        self.format = found.describe(source)
        """What the file is, e.g. `JSON Lines, gzip, UTF-8`."""
        sample, raw = _opened(source, found)
        values = [row.value for row in sample if row.value is not None]
        cells = Cells(values, mapping or {})
        sample = [_read(cells, row) for row in sample]
        self._raw = (_read(cells, row) for row in raw)
        self.columns = _names(sample)
        self.layout = _layout_asked(sample, source.name, mapping or {}, shape)
        self.problems = Problems()
        """What is wrong with the rows that were passed so far."""
        self.rows = 0
        """Rows passed so far, unusable ones included."""
        self._rule_counts = RuleCounts()
        self._rated = self.layout.shape in ("lists", "rated")
        read_as = pair_layout(self.layout) if self._rated else self.layout
        self._converter = Converter(read_as, self.problems)
        self._progress = progress

    def __iter__(self) -> Iterator[Pair]:
        """Yield what can be used, and note in `problems` what cannot."""
        rows = self._counted()
        for raw in self._paired(rows) if self._rated else rows:
            pair = self._converter.convert(raw)
            if pair is not None:
                yield pair

    def _paired(self, rows: Iterator[RawRow]) -> Iterator[RawRow]:
        return pair_rows(rows, self.layout, self.problems, self._rule_counts)

    def pair_rules(self) -> list[dict[str, Any]]:
        """How many pairs each rule would make of the rated answers passed so far."""
        return self._rule_counts.summary()

    def _counted(self) -> Iterator[RawRow]:
        for raw in self._raw:
            self.rows += 1
            if self._progress is not None and self.rows % TELL_EVERY == 0:
                self._progress("read", self.rows, 0)
            yield raw

    def agreement(self) -> dict[str, Any] | None:
        """How far the annotators of the rows passed so far agree, where there are several."""
        return self._converter.agreement.summary()


def _read(cells: Cells, row: RawRow) -> RawRow:
    return row if row.value is None else row._replace(value=cells.read(row.value))


def _opened(source: Source, found: Format) -> tuple[list[RawRow], Iterator[RawRow]]:
    """Return the first rows, by which a file is understood, and all rows from the start."""
    rows = read_rows(source, found)
    sample: list[RawRow] = []
    chars = 0
    for raw in rows:
        sample.append(raw)
        chars += sum(len(value) for value in (raw.value or {}).values() if isinstance(value, str))
        if len(sample) >= SAMPLE_ROWS or chars > SAMPLE_CHARS:
            break
    if all(raw.value is None for raw in sample):
        first = next((raw for raw in sample if raw.problem), None)
        reason = f"row {first.number}: {first.problem}" if first else "it has no rows"
        raise UnreadableError(f"{source.name}: no row could be read; {reason}.")
    columns = {name for raw in sample for name in raw.value or ()}
    if len(columns) > MOST_COLUMNS:
        raise UnreadableError(
            f"{source.name} has {len(columns):,} columns, at most {MOST_COLUMNS:,} are read; leave "
            "out those without a prompt or an answer."
        )
    return sample, chain(sample, rows)


def column_names(source: Source) -> list[str]:
    """Return the names of a file's columns and the paths into them, from its first rows."""
    with closing(read_rows(source, detect_format(source))) as rows:
        sample = list(islice(rows, NAMED_ROWS))
    return [*_names(sample), *nested_paths([raw.value for raw in sample if raw.value])]


def _names(sample: Sequence[RawRow]) -> list[str]:
    """The columns of the first rows, in the order in which they come up."""
    return list(dict.fromkeys(name for raw in sample[:NAMED_ROWS] for name in raw.value or ()))


def _layout_asked(
    sample: Sequence[RawRow], name: str, mapping: Mapping[str, Any], shape: str | None
) -> Layout:
    """Find the layout; a question is asked with rows of the file under each reading."""
    rows = [(raw.number, raw.value) for raw in sample if raw.value is not None]
    try:
        return _layout([value for _, value in rows], name, mapping, shape)
    except AskedError as error:
        raise asked_with_rows(error, rows, mapping) from None
    except AmbiguousError as error:
        paths = nested_paths([value for _, value in rows[:NAMED_ROWS]])
        if not paths:
            raise
        shown = ", ".join(path[:60] for path in paths[:5])
        raise AmbiguousError(
            f"{error} A column inside another is named by its path, e.g. --map prompt={shown}."
        ) from None


def _layout(
    values: list[dict[str, Any]], name: str, mapping: Mapping[str, Any], shape: str | None
) -> Layout:
    if shape is not None and shape not in SHAPES:
        raise DataError(f"--format: unknown shape {shape!r}; expected one of {', '.join(SHAPES)}.")
    _check_columns(values, name, mapping)
    parts = dict(mapping)
    given = _shape_of(parts, shape)
    columns = describe_columns(values)
    if given is None:
        layout = recognise(values, name, parts)
    else:
        layout = fill_layout(columns, parts, given, name)
    return with_context(layout, columns, parts)


def _shape_of(parts: Mapping[str, Any], shape: str | None) -> Shape | None:
    """The shape, where the mapping leaves no question what it is."""
    if shape in ("lists", "rated"):
        return None  # found as it is, by the parts given
    if shape is not None:
        return next(known for known in get_args(Shape) if known == shape)
    if {"chosen", "rejected"} <= parts.keys():
        return "explicit" if "prompt" in parts else None
    if {"first", "second"} <= parts.keys():
        return "answers"
    return None


def _check_columns(values: list[dict[str, Any]], name: str, mapping: Mapping[str, Any]) -> None:
    known = {column for value in values for column in value}
    lists = any(isinstance(cell, list) for value in values[:NAMED_ROWS] for cell in value.values())
    for part, given in mapping.items():
        # Inside a list of answers lie keys, not columns; that there is such a list is seen later.
        if part in ("response", "rating") and given not in known and lists:
            continue
        if part in ("codes", "direction", "middle", "pairs", "least", "liked"):
            continue
        for column in given if isinstance(given, tuple) else (given,):
            if column and column not in known:
                raise DataError(
                    f"{name} has no column {column!r} (for {part}); its columns are "
                    f"{', '.join(repr(c[:40]) for c in sorted(known)[:12])}."
                )
