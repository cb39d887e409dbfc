"""The store, one for all visitors, the records it keeps, and where files lie."""

from __future__ import annotations

from collections.abc import Mapping

from drpo.access import see_that_may
from drpo.dashboard import reach
from drpo.dashboard.client.access import person
from drpo.dashboard.client.opened import opened
from drpo.data.library.versions import find_version
from drpo.store import Store, run_folder, workspace
from drpo.store.schema import LIVE_STATUSES, Dataset, EventRow, Run, SampleRow
from drpo.system.bundled import bundled

__all__ = [
    "LIVE_STATUSES",
    "Dataset",
    "EventRow",
    "Run",
    "SampleRow",
    "Store",
    "bundled",
    "run_folder",
    "see_that_inputs_are_allowed",
    "store",
    "workspace",
]


def store() -> Store:
    """The store of this workspace, for whoever may look at it.

    Raises:
        AccessError: The visitor may not.
    """
    see_that_may(person(), "look")
    return opened()


def see_that_inputs_are_allowed(settings: Mapping[str, object]) -> None:
    """Refuse settings, by leaf name, that name a file which screens may not.

    Raises:
        ConfigError: One does; see `reach.see_that_paths_are_allowed`.
    """
    reach.see_that_paths_are_allowed(
        settings, lambda name: find_version(opened(), name) is not None
    )
