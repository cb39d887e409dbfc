"""What one job on an upload leaves for the next: its pairs as they were read, and its report.

Both lie in the upload's folder, each in one file whose first line is a key: a hash over the file's
content and all else that they follow from. Where the file, the mapping, the model or this program
changed, a job has another key, finds nothing under it, and reads or reports anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from drpo.data.io.source import Source
from drpo.data.pairs import Pair, row_of
from drpo.data.pairset import PairSet, content_hash
from drpo.data.quality.problems import Problems
from drpo.data.quality.report import Settings
from drpo.data.schema.column_mapping import Layout
from drpo.files import whole_file
from drpo.i18n.message import Message
from drpo.version import version

PAIRS, REPORT = "pairs.jsonl", "report.json"
_PLAIN = (
    "name",
    "content_hash",
    "rows",
    "demonstrations",
    "columns",
    "format",
    "agreement",
    "pair_rules",
    "source_hash",
    "size",
)
"""What is kept of a set of pairs as it stands."""
_DAMAGED = (OSError, ValueError, TypeError, KeyError, AttributeError)
"""What reading raises of a file that is missing, of another key, or no longer what was written."""


def reading_key(source: Source, parts: Mapping[str, Any], shape: str | None) -> str:
    """Name what the pairs of a file follow from.

    Args:
        source: The file; its content counts, and its name, which may tell its format.
        parts: What a person said of its columns.
        shape: The shape that was chosen by hand.
    """
    return _key(version(), source.sha256(), source.name, parts, shape)


def report_key(reading: str, settings: Settings) -> str:
    """Name what a report on those pairs follows from; a tokenizer is known by its file's stamp."""
    stamp = None
    if settings.model is not None:
        file = settings.model / "tokenizer.json"
        status = file.stat() if file.is_file() else None
        stamp = [str(file.resolve()), *((status.st_mtime_ns, status.st_size) if status else ())]
    limits = (settings.max_prompt_length, settings.response_length, settings.seed)
    return _key(reading, stamp, limits)


def keep_pairs(folder: Path, key: str, loaded: PairSet) -> None:
    """Keep pairs that were just read, with the problems found in reading."""
    about = {name: getattr(loaded, name) for name in _PLAIN}
    about |= {"problems": loaded.problems.as_dict(), "layout": _layout_row(loaded.layout)}
    with _writing(folder / PAIRS, key) as file:
        file.write(json.dumps(about) + "\n")
        for pair in loaded.pairs:
            file.write(json.dumps(row_of(pair), ensure_ascii=False) + "\n")


def kept_pairs(folder: Path, key: str) -> PairSet | None:
    """Return the pairs that were kept under a key; None where there are none, or damaged ones."""
    try:
        with _reading(folder / PAIRS, key) as file:
            about = json.loads(file.readline())
            pairs = [Pair(**json.loads(line)) for line in file]
        about["problems"] = Problems.from_dict(about["problems"])
        about["layout"] = _layout_of(about["layout"])
        loaded = PairSet(pairs, **about)
    except _DAMAGED:
        return None
    whole = not loaded.content_hash or content_hash(pairs) == loaded.content_hash
    return loaded if whole else None


def keep_report(folder: Path, key: str, loaded: PairSet, report: Mapping[str, Any] | None) -> None:
    """Keep a report and the problems that it found by row.

    Args:
        folder: The upload's.
        key: What they follow from.
        loaded: The pairs that were reported on.
        report: None where it says more than its key does, as one with coverage.
    """
    with _writing(folder / REPORT, key) as file:
        json.dump({"problems": loaded.problems.as_dict(), "report": report}, file)


def kept_report(folder: Path, key: str) -> tuple[Problems, dict[str, Any] | None] | None:
    """Return the problems and the report that were kept under a key; None where there are none."""
    try:
        with _reading(folder / REPORT, key) as file:
            found = json.load(file)
        return Problems.from_dict(found["problems"]), found["report"]
    except _DAMAGED:
        return None


def _key(*parts: Any) -> str:  # noqa: ANN401 - any JSON
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@contextmanager
def _writing(path: Path, key: str) -> Iterator[IO[str]]:
    # Half of a surrogate pair may stand in a fact; it is written and read as it is.
    with (
        whole_file(path) as beside,
        beside.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file,
    ):
        file.write(key + "\n")
        yield file


@contextmanager
def _reading(path: Path, key: str) -> Iterator[IO[str]]:
    with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        if file.readline() != key + "\n":
            raise KeyError(key)
        yield file


def _layout_row(layout: Layout | None) -> dict[str, Any] | None:
    if layout is None:
        return None
    return layout.as_dict() | {"reason": layout.reason.as_dict() if layout.reason else None}


def _layout_of(layout: Mapping[str, Any] | None) -> Layout | None:
    if layout is None:
        return None
    parts: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in layout.items()
    }
    parts["reason"] = Message.from_dict(layout["reason"]) if layout["reason"] else None
    return Layout(**parts)
