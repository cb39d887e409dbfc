"""Saved data sets: named, numbered versions in the workspace, with recipe and content hash."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from drpo import home
from drpo.data.gold_reward import sidecar_of
from drpo.data.io.limits import STREAM
from drpo.data.pairs import Pair, row_of
from drpo.data.pairset import PairSet, content_hash
from drpo.errors import DataError
from drpo.files import whole_folder
from drpo.store import Store, workspace
from drpo.store.schema import Dataset

FILE = "pairs.jsonl.gz"
MOST_NAME_CHARS = 120
DELETED_SECONDS = 30 * 24 * 3600
"""How long a deleted version can be brought back."""


def datasets_folder() -> Path:
    """Where versions lie: `datasets/` in the workspace."""
    return workspace() / "datasets"


def path_of(version: Dataset) -> Path:
    """Return the pairs' file of a version, brought here with its folder from an object store.

    Raises:
        FilesAwayError: It is not here, and the object store does not answer.
    """
    path = workspace() / version.path
    home.fetch(path)
    return path


def check_name(name: str) -> str:
    """Return a name in its stored form; it is text for people and never becomes a path.

    Raises:
        DataError: It is empty, too long or holds characters that cannot be shown.
    """
    clean = " ".join(name.split())
    if not clean or len(clean) > MOST_NAME_CHARS or not clean.isprintable():
        raise DataError(
            f"A data set needs a name of 1 to {MOST_NAME_CHARS} printable characters; got "
            f"{clean[:40]!r}. Choose another."
        )
    return clean


def find_version(store: Store, name: str) -> Dataset | None:
    """Return a version by id, the newest of a name, or `name:number`; None if there is none."""
    every = store.datasets.all()
    for version in every:
        if version.id == name or f"{version.name}:{version.version}" == name:
            return version
    named = [version for version in every if version.name == name]
    return max(named, key=lambda version: version.version, default=None)


def get_version(store: Store, name: str) -> Dataset:
    """Return a version as `find_version` does.

    Raises:
        DataError: There is none.
    """
    found = find_version(store, name)
    if found is None:
        raise DataError(f"No saved data set {name!r}; `drpo data list` shows all.")
    return found


def load_version(version: Dataset) -> PairSet:
    """Read a saved version.

    Raises:
        DataError: Its file is gone, or no longer what was saved.
    """
    path = path_of(version)
    shown = f"{version.name} version {version.version}"
    try:
        pairs = list(read_saved(path))
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{shown}: its file {version.path} is missing or damaged. Save the data set again, or "
            "put the file back."
        ) from error
    if content_hash(pairs) != version.content_hash:
        raise DataError(
            f"{shown}: its file {version.path} was changed after it was saved. Restore it, or save "
            "what it holds now as a new version."
        )
    gold = sidecar_of(path)
    return PairSet(
        pairs,
        shown,
        version.content_hash,
        rows=len(pairs),
        format="saved version",
        path=path,
        gold=gold if gold.is_file() else None,
    )


def read_saved(path: Path) -> Iterator[Pair]:
    """Yield the pairs of a saved file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield Pair(**json.loads(line))


def save_version(
    store: Store,
    pairs: Iterable[Pair],
    name: str,
    *,
    source: str = "",
    recipe: Mapping[str, Any] | None = None,
    report: Mapping[str, Any] | None = None,
    gold: Path | None = None,
    finished: Callable[[], Mapping[str, Any]] | None = None,
) -> Dataset:
    """Save pairs as the next version of a name.

    The folder is written beside and renamed, put into the object store where there is one, and the
    store's row comes last: there is never half a version.

    Args:
        store: Where the version is noted.
        pairs: At least one; may be a stream, only one pair is held at a time.
        name: The data set's name.
        source: The upload's own name, as text.
        recipe: How these pairs came from the source.
        report: The data report on these pairs.
        gold: The sidecar with the true score, copied so that it travels with the version.
        finished: Called after the last pair for what the recipe can only say then.

    Raises:
        DataError: The name cannot be used, or there is no pair.
        FilesAwayError: The object store does not take it.
    """
    name = check_name(name)
    identity = uuid.uuid4().hex[:16]
    folder = datasets_folder() / identity
    with whole_folder(folder, durable=True) as beside:
        rows, digest = _write(beside / FILE, pairs)
        if gold is not None:
            shutil.copyfile(gold, sidecar_of(beside / FILE))
        recipe = {**(recipe or {}), **(finished() if finished else {}), "content_hash": digest}
        written = json.dumps(recipe, indent=2, ensure_ascii=False)
        (beside / "recipe.json").write_text(written, encoding="utf-8")
    home.publish(folder)
    version = Dataset(
        id=identity,
        name=name,
        version=store.datasets.next_version(name),
        path=str((folder / FILE).relative_to(workspace())),
        content_hash=digest,
        rows=rows,
        source=source[:MOST_NAME_CHARS],
        recipe=dict(recipe),
        report=dict(report or {}),
    )
    store.datasets.add(version)
    return version


def _write(path: Path, pairs: Iterable[Pair]) -> tuple[int, str]:
    rows = 0

    def written(file: Any) -> Iterator[Pair]:  # noqa: ANN401 - a text file
        nonlocal rows
        for pair in pairs:
            file.write(json.dumps(row_of(pair), ensure_ascii=False) + "\n")
            rows += 1
            if rows > STREAM.rows:
                raise DataError(f"More than {STREAM.rows:,} pairs; split them into several sets.")
            yield pair

    with path.open("wb") as raw:
        # No time stamp and no name inside: the same pairs make the same bytes.
        packed = gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0)
        with packed, io.TextIOWrapper(packed, "utf-8", newline="\n") as file:
            digest = content_hash(written(file))
    if rows == 0:
        raise DataError("There is nothing to save: no pair is left.")
    return rows, digest


def delete_version(store: Store, name: str) -> Dataset:
    """Delete a version that no run uses; for 30 days `restore_version` brings it back.

    Raises:
        DataError: There is none, or a run was trained on it.
    """
    version = get_version(store, name)
    store.datasets.hide(version.id)
    for old in store.datasets.all(deleted=True):
        if time.time() - (old.deleted_at or 0) > DELETED_SECONDS:
            store.datasets.erase(old.id)
            folder = datasets_folder() / old.id
            home.remove(folder)
            shutil.rmtree(folder, ignore_errors=True)
    return version


def restore_version(store: Store, name: str) -> Dataset:
    """Bring a deleted version back.

    Args:
        store: Where it is kept.
        name: Its id, `name:version`, or a name, of which the version deleted last comes back.

    Raises:
        DataError: None of that name was deleted in the last 30 days.
    """
    gone = sorted(store.datasets.all(deleted=True), key=lambda one: -(one.deleted_at or 0))
    fits = (one for one in gone if name in (one.id, one.name, f"{one.name}:{one.version}"))
    found = next(fits, None)
    if found is None:
        raise DataError(
            f"No deleted data set {name!r} here; a deleted version is kept for 30 days."
        )
    store.datasets.restore(found.id)
    return found


def compare_versions(first: Dataset, second: Dataset) -> dict[str, Any]:
    """Say what two versions share and what only one of them holds."""
    sets = [
        {(pair.prompt, pair.chosen, pair.rejected) for pair in load_version(version).pairs}
        for version in (first, second)
    ]
    prompts = [{prompt for prompt, _, _ in rows} for rows in sets]
    swapped = {(p, b, a) for p, a, b in sets[0]} & sets[1]
    return {
        "pairs": [first.rows, second.rows],
        "same_content": first.content_hash == second.content_hash,
        "shared_pairs": len(sets[0] & sets[1]),
        "only_first": len(sets[0] - sets[1]),
        "only_second": len(sets[1] - sets[0]),
        "shared_prompts": len(prompts[0] & prompts[1]),
        "swapped_pairs": len(swapped),
        "recipes": [first.recipe, second.recipe],
    }
