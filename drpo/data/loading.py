"""From a file, a saved name or a Hub name to pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, get_args

from drpo.data.gold_reward import sidecar_of
from drpo.data.io.hub import hub_rows, is_hub_name
from drpo.data.io.limits import DESK, Limits, UnreadableError
from drpo.data.io.readers import Format, RawRow, detect_format, read_rows
from drpo.data.io.source import Source, file_of
from drpo.data.pairs import Pair
from drpo.data.pairset import PairSet, content_hash
from drpo.data.quality.problems import KINDS, Problems
from drpo.data.schema.column_mapping import SHAPES, Layout, Shape
from drpo.data.schema.columns import describe_columns
from drpo.data.schema.complete_mapping import fill_layout
from drpo.data.schema.convert import Converter, RowError, demonstration
from drpo.data.schema.infer_mapping import recognise
from drpo.errors import CancelledByUserError, DataError

if TYPE_CHECKING:
    from drpo.store import Store

SAMPLE_ROWS = 5_000
NAMED_ROWS = 100
SAMPLE_CHARS = 16_000_000
TELL_EVERY = 2_000
SHOWN_CHARS = 200

Progress = Callable[[str, int, int], None]
"""Told the stage, how much of it is done and of how much (0 when unknown)."""


def load_pairs(source: str, *, store: Store | None = None, limits: Limits = DESK) -> PairSet:
    """Load pairs by a saved data set's name or id, a file's path, or a Hub name.

    Rows that cannot be trained on are left out and named in `problems`.

    Args:
        source: What to load; a saved name is preferred to a file of the same name.
        store: Where saved sets are looked up; without one only files and the Hub are.
        limits: Bounds on reading a file.

    Raises:
        DataError: There is no such thing, it cannot be read, or no row of it can be used.
    """
    if store is not None:
        from drpo.data.library.versions import find_version, load_version

        found = find_version(store, source)
        if found is not None:
            return load_version(found)
    path = file_of(source)
    if path is not None:
        loaded = read_pairs(Source.from_path(path, limits=limits))
        sidecar = sidecar_of(path)
        loaded.path, loaded.gold = path, sidecar if sidecar.is_file() else None
    elif is_hub_name(source):
        with hub_rows(source, limits=limits) as file:
            loaded = read_pairs(file)
    else:
        shown = source if len(source) <= SHOWN_CHARS else f"{source[:SHOWN_CHARS]}…"
        raise DataError(
            f"{shown!r} is neither a saved data set, nor a file here, nor a Hub name "
            "(owner/name). `drpo data list` shows the saved ones."
        )
    if not loaded.pairs:
        raise DataError(nothing_usable(loaded))
    return loaded


def nothing_usable(loaded: PairSet) -> str:
    """Say why none of the rows can be used."""
    if loaded.layout is not None and loaded.layout.shape == "demonstrations":
        return (
            f"{loaded.name} holds one answer a prompt and no pairs; give it as demonstrations, "
            "and pairs with a chosen and a rejected answer as data."
        )
    counts = loaded.problems.counts()
    said = ", ".join(f"{count} x {KINDS[code].title('en')}" for code, count in counts.items())
    return (
        f"{loaded.name}: none of its {loaded.rows} rows can be used ({said or 'no rows'}). "
        "`drpo data check FILE` names the rows."
    )


def read_pairs(
    source: Source,
    *,
    mapping: Mapping[str, Any] | None = None,
    shape: str | None = None,
    progress: Progress | None = None,
) -> PairSet:
    """Read all rows of a source into pairs.

    Args:
        source: The file.
        mapping: Parts of the layout given by hand, as `parse_map` returns them.
        shape: The layout's shape given by hand.
        progress: Told how many rows are read; may raise CancelledByUserError to stop.

    Raises:
        UnreadableError: The file cannot be read.
        AmbiguousError: It can be read in several ways, and none was chosen.
        DataError: The mapping does not fit the file.
    """
    fmt = detect_format(source)
    layout, rows = open_rows(source, fmt, mapping=mapping, shape=shape)
    problems = Problems()
    loaded = PairSet([], source.name, "", problems, layout=layout, format=fmt.describe(source))
    loaded.source_hash, loaded.size = source.sha256(), source.size
    if layout.shape == "demonstrations":
        _count_demonstrations(loaded, rows, layout)
        return loaded
    converter = Converter(layout, problems)
    for raw in rows:
        loaded.rows += 1
        pair = converter.convert(raw)
        if pair is not None:
            loaded.pairs.append(pair)
        if progress is not None and loaded.rows % TELL_EVERY == 0:
            progress("read", loaded.rows, 0)
    loaded.agreement = converter.agreement.summary()
    loaded.content_hash = content_hash(loaded.pairs)
    return loaded


def _count_demonstrations(loaded: PairSet, rows: Iterator[RawRow], layout: Layout) -> None:
    """Note how many rows can be reset into, and what is wrong with the others."""
    for raw in rows:
        loaded.rows += 1
        try:
            demonstration(raw, layout)
        except RowError as error:
            loaded.problems.add(error.kind, raw.number, error.detail)
        else:
            loaded.demonstrations += 1


def open_rows(
    source: Source, fmt: Format, *, mapping: Mapping[str, Any] | None, shape: str | None
) -> tuple[Layout, Iterator[RawRow]]:
    """Find the layout from the first rows, and return it with all rows from the start."""
    rows = read_rows(source, fmt)
    sample: list[RawRow] = []
    chars = 0
    for raw in rows:
        sample.append(raw)
        chars += sum(len(value) for value in (raw.value or {}).values() if isinstance(value, str))
        if len(sample) >= SAMPLE_ROWS or chars > SAMPLE_CHARS:
            break
    values = [raw.value for raw in sample if raw.value is not None]
    if not values:
        first = next((raw for raw in sample if raw.problem), None)
        reason = f"row {first.number}: {first.problem}" if first else "it has no rows"
        raise UnreadableError(f"{source.name}: no row could be read; {reason}.")
    return _layout(values, source.name, mapping or {}, shape), chain(sample, rows)


def column_names(source: Source) -> list[str]:
    """Return the names of a file's columns, from its first rows."""
    names: dict[str, None] = {}
    with closing(read_rows(source, detect_format(source))) as rows:
        for raw in islice(rows, NAMED_ROWS):
            names.update(dict.fromkeys(raw.value or ()))
    return list(names)


def _layout(
    values: list[dict[str, Any]], name: str, mapping: Mapping[str, Any], shape: str | None
) -> Layout:
    if shape is not None and shape not in SHAPES:
        raise DataError(f"--format: unknown shape {shape!r}; expected one of {', '.join(SHAPES)}.")
    _check_columns(values, name, mapping)
    parts = dict(mapping)
    given = _shape_of(parts, shape)
    if given is None:
        return recognise(values, name, parts)
    return fill_layout(describe_columns(values), parts, given, name)


def _shape_of(parts: Mapping[str, Any], shape: str | None) -> Shape | None:
    """The shape, where the mapping leaves no question what it is."""
    if shape is not None:
        return next(known for known in get_args(Shape) if known == shape)
    if {"chosen", "rejected"} <= parts.keys():
        return "explicit" if "prompt" in parts else None
    if {"first", "second"} <= parts.keys():
        return "answers"
    return None


def _check_columns(values: list[dict[str, Any]], name: str, mapping: Mapping[str, Any]) -> None:
    known = {column for value in values for column in value}
    for part, given in mapping.items():
        if part == "codes":
            continue
        for column in given if isinstance(given, tuple) else (given,):
            if column and column not in known:
                raise DataError(
                    f"{name} has no column {column!r} (for {part}); its columns are "
                    f"{', '.join(repr(c[:40]) for c in sorted(known)[:12])}."
                )


def load_demonstrations(
    source: str, *, store: Store | None = None, limits: Limits = DESK
) -> list[Pair]:
    """Load answers to reset into, each the `chosen` of a record; of pairs, the chosen answers.

    Args:
        source: What to load, as `load_pairs` finds it.
        store: Where saved sets are looked up.
        limits: Bounds on reading a file.

    Raises:
        DataError: The source cannot be read or holds nothing usable.
    """
    if not _is_saved(source, store):
        path = file_of(source)
        if path is not None:
            return _demonstrations(Source.from_path(path, limits=limits))
        if is_hub_name(source):
            with hub_rows(source, limits=limits) as file:
                return _demonstrations(file)
    return load_pairs(source, store=store, limits=limits).pairs


def _is_saved(source: str, store: Store | None) -> bool:
    from drpo.data.library.versions import find_version

    return store is not None and find_version(store, source) is not None


def _demonstrations(file: Source) -> list[Pair]:
    """The answers of a demonstrations file, or the chosen ones of a file of pairs."""
    layout, rows = open_rows(file, detect_format(file), mapping=None, shape=None)
    if layout.shape != "demonstrations":
        loaded = read_pairs(file)
        if not loaded.pairs:
            raise DataError(nothing_usable(loaded))
        return loaded.pairs
    found = []
    reason = ""
    for raw in rows:
        try:
            found.append(demonstration(raw, layout))
        except RowError as error:
            reason = reason or f"row {raw.number}: {KINDS[error.kind].title('en')} {error}"
    if not found:
        raise DataError(f"{file.name}: no usable demonstration; {reason or 'no rows'}.")
    return found


def stop_when(cancelled: Callable[[], bool], progress: Progress) -> Progress:
    """Wrap a progress function so that it raises once someone cancelled."""

    def told(stage: str, done: int, total: int) -> None:
        if cancelled():
            raise CancelledByUserError("Stopped before it was done; nothing was saved.")
        progress(stage, done, total)

    return told
