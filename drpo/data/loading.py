"""From a file, a saved name or a Hub name to pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drpo.data.gold_reward import sidecar_of
from drpo.data.io.hub import hub_rows, is_hub_name
from drpo.data.io.limits import UPLOAD, Limits
from drpo.data.io.source import Source, file_of
from drpo.data.pairs import Pair
from drpo.data.pairset import PairSet, content_hash
from drpo.data.quality.problems import KINDS
from drpo.data.reading import PairReader, Progress
from drpo.errors import DataError

if TYPE_CHECKING:
    from drpo.store import Store

SHOWN_CHARS = 200


def load_pairs(source: str, *, store: Store | None = None, limits: Limits = UPLOAD) -> PairSet:
    """Load pairs by a saved data set's name or id, a file's path, or a Hub name.

    Rows that cannot be trained on are left out and named in `problems`.

    Args:
        source: What to load; a saved name is preferred to a file of the same name.
        store: Where saved sets are looked up; without one only files and the Hub are.
        limits: Bounds on reading a file.

    Raises:
        DataError: There is no such thing, it cannot be read, or no row of it can be used.
    """
    saved = _saved(source, store)
    if saved is not None:
        if not any(pair.rejected for pair in saved.pairs):
            raise DataError(_holds_no_pairs(saved.name))
        return saved
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
        return _holds_no_pairs(loaded.name)
    counts = loaded.problems.counts()
    said = ", ".join(f"{count} x {KINDS[code].title('en')}" for code, count in counts.items())
    return (
        f"{loaded.name}: none of its {loaded.rows} rows can be used ({said or 'no rows'}); "
        f"{loaded.problems.first()}. "
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
        progress: Told how many rows are read.

    Raises:
        UnreadableError: The file cannot be read.
        AmbiguousError: It can be read in several ways, and none was chosen.
        DataError: The mapping does not fit the file.
    """
    return _collected(source, PairReader(source, mapping=mapping, shape=shape, progress=progress))


def _collected(source: Source, reader: PairReader) -> PairSet:
    loaded = PairSet(
        [],
        source.name,
        "",
        reader.problems,
        layout=reader.layout,
        columns=reader.columns,
        format=reader.format,
        source_hash=source.sha256(),
        size=source.size,
    )
    if reader.layout.shape == "demonstrations":
        loaded.demonstrations = sum(1 for _ in reader)
    else:
        loaded.pairs = list(reader)
        loaded.agreement = reader.agreement()
        loaded.pair_rules = reader.pair_rules()
        loaded.content_hash = content_hash(loaded.pairs)
    loaded.rows = reader.rows
    return loaded


def load_demonstrations(
    source: str, *, store: Store | None = None, limits: Limits = UPLOAD
) -> list[Pair]:
    """Load answers to reset into, each the `chosen` of a record; of pairs, the chosen answers.

    Args:
        source: What to load, as `load_pairs` finds it.
        store: Where saved sets are looked up.
        limits: Bounds on reading a file.

    Raises:
        DataError: The source cannot be read or holds nothing usable.
    """
    saved = _saved(source, store)
    if saved is not None:
        return saved.pairs
    path = file_of(source)
    if path is not None:
        return _demonstrations(Source.from_path(path, limits=limits))
    if is_hub_name(source):
        with hub_rows(source, limits=limits) as file:
            return _demonstrations(file)
    return load_pairs(source, limits=limits).pairs


def _saved(source: str, store: Store | None) -> PairSet | None:
    from drpo.data.library.versions import find_version, load_version

    found = None if store is None else find_version(store, source)
    return None if found is None else load_version(found)


def _holds_no_pairs(name: str) -> str:
    return (
        f"{name} holds one answer a prompt and no pairs; give it as demonstrations, and pairs with "
        "a chosen and a rejected answer as data."
    )


def _demonstrations(file: Source) -> list[Pair]:
    """The answers of a demonstrations file, or the chosen ones of a file of pairs."""
    reader = PairReader(file)
    if reader.layout.shape != "demonstrations":
        loaded = _collected(file, reader)
        if not loaded.pairs:
            raise DataError(nothing_usable(loaded))
        return loaded.pairs
    found = list(reader)
    if not found:
        raise DataError(f"{file.name}: no usable demonstration; {reader.problems.first()}.")
    return found
