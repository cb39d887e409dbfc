"""The store, one for all visitors, the records it keeps, and where files lie.

Kept small and stable: editing `store` makes Streamlit open another one.
"""

from __future__ import annotations

import streamlit as st

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
    "store",
    "workspace",
]


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """The store of this workspace."""
    return Store()
