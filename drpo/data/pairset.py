"""A set of pairs with everything known about where they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drpo.data.pairs import Pair
from drpo.data.quality.problems import Problems
from drpo.data.schema.column_mapping import Layout


@dataclass
class PairSet:
    """Pairs ready to train on, and an account of the rows that are not among them."""

    pairs: list[Pair]
    name: str
    """As a person knows it: the file's name, or a saved set's name and version."""
    content_hash: str
    """SHA-256 over prompts and answers in order: the same pairs, the same hash."""
    problems: Problems = field(default_factory=Problems)
    rows: int = 0
    """Rows in the source, unusable ones included."""
    demonstrations: int = 0
    """Rows of (prompt, response) that can be reset into, where the source holds such."""
    layout: Layout | None = None
    columns: list[str] = field(default_factory=list)
    """Names of the source's columns, for correcting the layout."""
    format: str = ""
    """What the file is, e.g. `JSON Lines, gzip, UTF-8`."""
    agreement: dict[str, Any] | None = None
    """How far the annotators agree, where there are several."""
    pair_rules: list[dict[str, Any]] = field(default_factory=list)
    """Of rated answers, how many pairs each rule would make."""
    gold: Path | None = None
    """The sidecar that says how to score any answer truly, where there is one."""
    path: Path | None = None
    """The file the pairs were read from."""
    source_hash: str = ""
    """SHA-256 of that file as it lies."""
    size: int = 0
    """Bytes of that file."""

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)


def content_hash(pairs: Iterable[Pair]) -> str:
    """Hash what is trained on, and nothing else."""
    digest = hashlib.sha256()
    for pair in pairs:
        for text in (pair.prompt, pair.chosen, pair.rejected):
            data = text.encode()
            digest.update(len(data).to_bytes(8, "little"))
            digest.update(data)
    return digest.hexdigest()
