"""Files by themselves, beside a holding's manifest: what grows, what one process tells another."""

from __future__ import annotations

import logging
from pathlib import Path

from drpo.errors import FilesAwayError
from drpo.files import write_whole
from drpo.home.holdings import is_written_here, parts_of, store_of_home
from drpo.home.manifest import LIVE
from drpo.home.object_store import PATIENCE
from drpo.home.place import workspace

log = logging.getLogger(__name__)


def live_files(folder: Path) -> list[Path]:
    """The files of a run that are put as they grow."""
    return [folder / name for name in LIVE]


def publish_file(path: Path, content: bytes | None = None, *, patience: float = PATIENCE) -> None:
    """Put one small file of a holding beside its manifest.

    Args:
        path: Where it lies, or would.
        content: What it holds; by default what lies there.
        patience: Seconds for which it is tried again.

    Raises:
        FilesAwayError: The store does not answer.
    """
    store, parts = store_of_home(patience), parts_of(path)
    if store is not None and parts is not None:
        key = "/".join(parts)
        store.write(key, path.read_bytes() if content is None else content)
        if content is None:
            _stamp_note(path).write_text(store.stamp(key) or "", encoding="utf-8")


def read_file(path: Path) -> bytes | None:
    """What such a file holds in the object store."""
    store, parts = store_of_home(), parts_of(path)
    return None if store is None or parts is None else store.read("/".join(parts))


def fetch_file(path: Path) -> None:
    """Bring such a file here, where it is another than the one that was brought last.

    While the store is away, or a worker of this machine writes it, what is here stands.
    """
    store, parts = store_of_home(), parts_of(path)
    if store is None or parts is None or is_written_here(workspace() / parts[0]):
        return
    note = _stamp_note(path)
    try:
        stamp = store.stamp("/".join(parts))
        if stamp is None or (note.is_file() and note.read_text(encoding="utf-8") == stamp):
            return
        content = store.read("/".join(parts))
    except FilesAwayError as error:
        log.warning("%s may be old: %s", path, error)
        return
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
        note.write_text(stamp, encoding="utf-8")


def _stamp_note(path: Path) -> Path:
    return path.with_name(f".{path.name}.stamp.part")


def remove_file(path: Path) -> None:
    """Remove such a file from the object store."""
    store, parts = store_of_home(), parts_of(path)
    if store is not None and parts is not None:
        store.remove("/".join(parts))
