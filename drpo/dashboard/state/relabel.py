"""A choice outlives a switch of language, although a browser knows it by its label only."""

from __future__ import annotations

import streamlit as st

from drpo.i18n import language


def relabel(key: str) -> None:
    """Tell the browser what a widget, or its options, are called by now.

    Call it before the widget is drawn. Of a select box or multiselect the browser sends back the
    labels that it was given last; after a switch of language no option would bear them, and the
    choice would be lost with the next click anywhere. A folded section is another one to Streamlit
    as soon as it is called otherwise, and would close.

    Args:
        key: The widget's key.
    """
    known_in = f"{key}@lang"
    if key in st.session_state and st.session_state.get(known_in, language()) != language():
        # Written anew, so that it is sent to the browser.
        st.session_state[key] = st.session_state[key]
    st.session_state[known_in] = language()
