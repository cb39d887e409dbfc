"""Import of files of any size: rows pass through one by one, memory stays the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drpo.data.gold_reward import sidecar_of
from drpo.data.io.source import Source
from drpo.data.library.versions import save_version
from drpo.data.pairs import Pair
from drpo.data.reading import PairReader, Progress
from drpo.errors import DataError
from drpo.store import Store
from drpo.store.schema import Dataset

MOST_REMEMBERED = 20_000_000
"""Hashes kept to find exact duplicates: 8 bytes each and a set's overhead, about 1 GB."""


@dataclass
class _Account:
    kept: int = 0
    repeated: int = 0
    seen: set[int] = field(default_factory=set)


def import_stream(
    store: Store,
    source: Source,
    name: str,
    *,
    path: Path | None = None,
    mapping: dict[str, Any] | None = None,
    shape: str | None = None,
    deduplicate: bool = True,
    progress: Progress | None = None,
) -> Dataset:
    """Save a file as a new version without ever holding all of it.

    Raises:
        DataError: The file cannot be read, or no row of it can be used; nothing is saved then.
    """
    reader = PairReader(source, mapping=mapping, shape=shape, progress=progress)
    if reader.layout.shape == "demonstrations":
        raise DataError(
            f"{source.name} holds one answer a prompt and no pairs; give it as demonstrations when "
            "you launch."
        )
    account = _Account()

    def pairs() -> Iterator[Pair]:
        for pair in reader:
            if deduplicate and _known(pair, account.seen):
                account.repeated += 1
                continue
            account.kept += 1
            yield pair

    recipe: dict[str, Any] = {
        "source": source.name,
        "source_sha256": source.sha256(),
        "layout": reader.layout.as_dict(),
        "steps": {"repeats": "exact" if deduplicate else "keep"},
        "streamed": True,
    }
    gold = sidecar_of(path) if path is not None and sidecar_of(path).is_file() else None

    def finished() -> dict[str, Any]:
        return {
            "rows": reader.rows,
            "pairs": account.kept,
            "never_usable": reader.problems.counts(),
            "left_out": {"duplicate": account.repeated},
        }

    return save_version(
        store, pairs(), name, source=source.name, recipe=recipe, gold=gold, finished=finished
    )


def _known(pair: Pair, seen: set[int]) -> bool:
    text = "\x00".join((pair.prompt, pair.chosen, pair.rejected)).encode()
    digest = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
    if digest in seen:
        return True
    if len(seen) < MOST_REMEMBERED:
        seen.add(digest)
    return False
