"""What an object store says of a holding, and what this machine remembers of its copy.

A holding is a folder of the workspace that is put and brought as one: a run, a data set, a model.

    runs/ID/manifest.json                             which files it has, by SHA-256
    runs/ID/files/checkpoints/step-000010/NAME~SHA    each content of each file, once
    runs/ID/worker.log                                what grows, beside the manifest

A file's content never changes under its key, and the manifest is written last and in one step:
whoever reads it finds every file of the same moment, whatever becomes of the writer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from drpo.errors import RunError
from drpo.files import read_json, write_json

MANIFEST = "manifest.json"
FILES = "files"
NOTE = ".home.json"
FORMAT = 1
LIVE = ("worker.log", "memory.json")
"""Files of a run that are put as they grow."""
ALONE = ("worker.lock", "order.json", "slurm.json", NOTE, *LIVE)
"""Names that mean something to this machine alone, or are put by themselves."""
_ENDS = (".part", ".old", ".lock")
_SHA = re.compile(r"[0-9a-f]{64}")
_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One file's content."""

    sha256: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a holding at one moment, by their names with slashes."""

    generation: str
    """Of its own for each writing."""
    files: Mapping[str, Entry]

    def within(self, part: str) -> dict[str, Entry]:
        """The files at or below a name; all of them for an empty one."""
        return {
            name: entry
            for name, entry in self.files.items()
            if not part or name == part or name.startswith(f"{part}/")
        }

    def to_bytes(self) -> bytes:
        """As it is stored."""
        files = {name: [entry.sha256, entry.size] for name, entry in sorted(self.files.items())}
        document = {"format": FORMAT, "generation": self.generation, "files": files}
        return json.dumps(document, indent=1).encode()


def read_manifest(content: bytes, where: str) -> Manifest:
    """Read a manifest; nothing in it can name a place outside of the holding.

    Args:
        content: As it was stored.
        where: Its key, for what is said of it.

    Raises:
        ValueError: It is cut off, as one is that is being written to a folder.
        RunError: It is whole, and none that this version may follow.
    """
    document = json.loads(content)
    listed = document.get("files") if isinstance(document, dict) else None
    if not isinstance(listed, dict) or document.get("format") != FORMAT:
        raise RunError(f"{where} is no list of files of this version of drpo; update drpo.")
    files = {}
    for name, told in listed.items():
        if not is_inside(name) or not _is_entry(told):
            raise RunError(
                f"{where} names the file {name[:200]!r}, which drpo has not written: expected a "
                "plain name inside its folder, a SHA-256 and a size. Nothing was fetched."
            )
        files[name] = Entry(*told)
    return Manifest(str(document.get("generation")), files)


def is_inside(name: str) -> bool:
    """Whether a name stays inside the folder that it is joined to, and is no file of our own."""
    parts = PurePosixPath(name).parts
    return (
        0 < len(name) <= _LONGEST
        and name.isprintable()
        and "\\" not in name
        and not name.startswith("/")
        and "/".join(parts) == name
        and not {"..", "."} & set(parts)
        and not is_own(name)
    )


def is_own(name: str) -> bool:
    """Whether a file means something to this machine alone."""
    parts = name.split("/")
    return name in ALONE or any(part.endswith(_ENDS) for part in parts)


def key_of(holding: str, name: str, entry: Entry) -> str:
    """Where a content lies."""
    return f"{holding}/{FILES}/{name}~{entry.sha256[:32]}"


def _is_entry(told: Any) -> bool:  # noqa: ANN401 - any JSON
    return (
        isinstance(told, list)
        and len(told) == 2
        and isinstance(told[0], str)
        and _SHA.fullmatch(told[0]) is not None
        and isinstance(told[1], int)
        and told[1] >= 0
    )


@dataclass(slots=True)
class Note:
    """What this machine knows of its copy of a holding, kept in the copy's own folder."""

    generation: str | None = None
    """What the copy as a whole goes on from; None where only parts were fetched."""
    files: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """Of each file that was put or fetched: SHA-256, and bytes and time of writing as it lay."""

    @classmethod
    def of(cls, folder: Path) -> Note:
        """The one that a folder has; an empty one where it has none."""
        kept = read_json(folder / NOTE)
        try:
            files = {name: (str(s), int(b), int(t)) for name, (s, b, t) in kept["files"].items()}
            return cls(kept["generation"], files)
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()

    def keep(self, folder: Path) -> None:
        """Write it into its folder."""
        write_json(folder / NOTE, {"generation": self.generation, "files": self.files})

    def take(self, folder: Path, name: str, sha256: str) -> None:
        """Remember a file as it lies."""
        told = (folder / name).stat()
        self.files[name] = (sha256, told.st_size, told.st_mtime_ns)

    def sha_of(self, folder: Path, name: str) -> str | None:
        """The SHA-256 of a file that lies as it was remembered."""
        if name not in self.files:
            return None
        sha256, size, written = self.files[name]
        try:
            told = (folder / name).stat()
        except OSError:
            return None
        return sha256 if (told.st_size, told.st_mtime_ns) == (size, written) else None


def names_in(folder: Path) -> list[str]:
    """The plain files of a folder that belong to what others see; no link is followed."""
    found = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    return sorted(name for name in found if is_inside(name))


def entry_of(path: Path) -> Entry:
    """Read a file's content through once."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Entry(sha256, file.tell())
