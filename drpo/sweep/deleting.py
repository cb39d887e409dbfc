"""Deleting a sweep: it leaves the lists and can be brought back; its runs stay where they are."""

from __future__ import annotations

from drpo.errors import RunError
from drpo.store import Store
from drpo.store.schema import Sweep

KIND = "sweep"


def listed(store: Store, *, deleted: bool = False) -> list[Sweep]:
    """Return the sweeps, newest first: those that are here, or those that were deleted."""
    gone = set(store.trash.all(KIND))
    return [sweep for sweep in store.sweeps.all() if (sweep.id in gone) == deleted]


def delete(store: Store, sweep_id: str) -> None:
    """Take a sweep out of the lists; `restore` brings it back.

    Raises:
        RunError: It goes on, or there is none of that id.
    """
    if store.sweeps.get(sweep_id).status == "running":
        raise RunError(f"{sweep_id} goes on; stop it first, then delete it.")
    store.trash.put(KIND, sweep_id)


def restore(store: Store, sweep_id: str) -> None:
    """Bring a deleted sweep back as it was."""
    store.trash.take_back(KIND, sweep_id)
