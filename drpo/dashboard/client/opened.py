"""The store itself, for the client's own functions: nobody is asked who they are.

Kept small and stable: editing `opened` makes Streamlit open another one.
"""

from __future__ import annotations

import streamlit as st

from drpo.store import Store


@st.cache_resource(show_spinner=False)
def opened() -> Store:
    """The store of this workspace, one for all visitors."""
    return Store()
