"""Put folders of the workspace into the object store, and remove them there.

Of what two machines write into one holding the later manifest stands, whole. That no two write
into the same run is seen to by the store's job token and its row of the run, which a worker asks
about before each manifest; the object store needs no lock for it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

from drpo.errors import RunError
from drpo.home.holdings import manifest_of, parts_of, read_at, store_of_home
from drpo.home.manifest import FILES, MANIFEST, Entry, Manifest, Note, entry_of, key_of, names_in
from drpo.home.object_store import PATIENCE


def publish(
    folder: Path,
    *,
    content: Path | None = None,
    is_mine: Callable[[], bool] = lambda: True,
    patience: float = PATIENCE,
) -> bool:
    """Put a holding into the object store: its files first, then the manifest that names them.

    Args:
        folder: The holding's.
        content: A folder that holds its files as they were at one moment; by default itself.
        is_mine: Asked before the manifest is written, as late as can be.
        patience: Seconds for which each operation is tried again.

    Returns:
        False where it turned out to be another's, and nothing that is seen was written.

    Raises:
        FilesAwayError: The store does not answer.
        RunError: There is no such folder.
    """
    store, parts = store_of_home(patience), parts_of(folder)
    if store is None or parts is None:
        return True
    holding, content = parts[0], content or folder
    if not content.is_dir():
        raise RunError(f"{content} is gone, so nothing of {holding} can be put; save it again.")
    old = manifest_of(store, holding, believed=0.0)
    there = {} if old is None else old.files
    note = Note.of(folder)
    files: dict[str, Entry] = {}
    for name in names_in(content):
        path = content / name
        known = note.sha_of(content, name)
        entry = entry_of(path) if known is None else Entry(known, path.stat().st_size)
        if there.get(name) != entry:
            store.put(path, key_of(holding, name, entry))
        note.take(content, name, entry.sha256)
        files[name] = entry
    if not is_mine():
        return False
    manifest = Manifest(secrets.token_hex(16), files)
    store.write(f"{holding}/{MANIFEST}", manifest.to_bytes())
    read_at[f"{store.url}/{holding}"] = (time.monotonic(), manifest)
    note.generation = manifest.generation
    note.files = {name: told for name, told in note.files.items() if name in files}
    note.keep(folder)
    for name, entry in there.items():
        if files.get(name) != entry:
            store.remove(key_of(holding, name, entry))
    return True


def tidy(folder: Path, *, patience: float = PATIENCE) -> None:
    """Remove contents that no manifest names, as a worker leaves them that was killed in between.

    For the one that may write there.
    """
    store, parts = store_of_home(patience), parts_of(folder)
    if store is None or parts is None:
        return
    manifest = manifest_of(store, parts[0], believed=0.0)
    if manifest is None:
        return
    named = {key_of(parts[0], name, entry) for name, entry in manifest.files.items()}
    for key in store.keys(f"{parts[0]}/{FILES}"):
        if key not in named:
            store.remove(key)


def remove(folder: Path) -> None:
    """Remove a holding from the object store, its manifest first; what is here is not touched."""
    store, parts = store_of_home(), parts_of(folder)
    if store is None or parts is None:
        return
    store.remove(f"{parts[0]}/{MANIFEST}")
    read_at.pop(f"{store.url}/{parts[0]}", None)
    store.remove_below(parts[0])
