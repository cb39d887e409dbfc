"""Preference data by their Hugging Face Hub name, where there is a network."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drpo.data.io.limits import UPLOAD, Limits
from drpo.data.io.source import Source
from drpo.errors import DataError


def is_hub_name(source: str) -> bool:
    """Whether a source is written like `owner/name`, `owner/name:split` or with a config too."""
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w.-]+)*", source)) and not Path(source).suffix


@contextmanager
def hub_rows(name: str, *, limits: Limits = UPLOAD) -> Iterator[Source]:
    """Lend the rows of a Hub data set as a file, read like any other: same rules, same bounds.

    Args:
        name: `owner/name`, `owner/name:split` or `owner/name:config:split`.
        limits: Most rows, and what else bounds a file.

    Raises:
        DataError: The Hub cannot be reached, or has no such data set or split.
    """
    repository, *rest = name.split(":")
    split = rest[-1] if rest else "train"
    config = rest[0] if len(rest) == 2 else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        _download(repository, config, split, path, limits)
        yield Source.from_path(path, limits=limits, name=name.replace("/", " / "))


def _download(repository: str, config: str | None, split: str, path: Path, limits: Limits) -> None:
    # Imported here: it takes a second, and only Hub names need it.
    import datasets

    try:
        rows = datasets.load_dataset(repository, config, split=split, streaming=True)
        with path.open("w", encoding="utf-8") as file:
            for number, row in enumerate(rows, 1):
                if number > limits.rows:
                    raise DataError(  # noqa: TRY301 - passed through below
                        f"{repository} has more than {limits.rows:,} rows in {split!r}; name a "
                        f"part of it, e.g. {repository}:test."
                    )
                file.write(json.dumps(row, default=str) + "\n")
    except DataError:
        raise
    # The library lets through whatever its network layers raise; all mean the same to a person.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(
            f"{repository!r} could not be loaded from the Hugging Face Hub ({reason}). Check the "
            "name, the split and the network, or download it and give the file."
        ) from error
