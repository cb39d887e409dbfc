"""What all visitors share: one store, one supervisor.

Kept small and stable: editing this module makes Streamlit build both anew.
"""

from __future__ import annotations

import streamlit as st

from drpo.runs.supervisor import Supervisor
from drpo.store import Store


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """The store of this workspace."""
    return Store()


@st.cache_resource(show_spinner=False)
def supervisor() -> Supervisor:
    """The background thread that starts queued runs and looks after live ones."""
    thread = Supervisor(store())
    thread.start()
    return thread
