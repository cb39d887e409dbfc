"""The store, one for all visitors, and the records it keeps.

Kept small and stable: editing `store` makes Streamlit open another one.
"""

from __future__ import annotations

import streamlit as st

from drpo.store import Store, run_folder, workspace
from drpo.store.schema import LIVE_STATUSES, Dataset, EventRow, Run, SampleRow
from drpo.store.series import STAGES

__all__ = [
    "LIVE_STATUSES",
    "STAGES",
    "Dataset",
    "EventRow",
    "Run",
    "SampleRow",
    "Store",
    "run_folder",
    "store",
    "workspace",
]


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """The store of this workspace."""
    return Store()
