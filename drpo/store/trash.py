"""What people deleted and may want back: it is hidden, and nothing of it is removed."""

from __future__ import annotations

import time

from drpo.store.documents import Documents

KIND = "deleted"


class Trash:
    """Deleted sweeps and reviews, by kind and id."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def put(self, kind: str, key: str) -> None:
        """Hide something from the lists of its kind."""
        self._documents.put(KIND, f"{kind}:{key}", {"at": time.time()})

    def take_back(self, kind: str, key: str) -> None:
        """Bring it back as it was."""
        self._documents.remove(KIND, f"{kind}:{key}")

    def all(self, kind: str) -> list[str]:
        """Return the ids of what is deleted, the last one first."""
        mine = f"{kind}:"
        found = [one for one in self._documents.all(KIND) if one.key.startswith(mine)]
        return [one.key.removeprefix(mine) for one in found]
