"""What a visitor types, turns or leafs through is in the URL too; see `address` for choices."""

from __future__ import annotations

import streamlit as st

from drpo.dashboard.state import url_state

LONGEST = 2000
"""Letters of one text that a URL carries; longer ones would break links in mail and chat."""


def recall_text(key: str, default: str = "") -> None:
    """Put a field's text from the URL into the session, before the field is drawn."""
    asked = st.query_params.get(key)
    if asked is not None and url_state.is_news(key, asked):
        st.session_state[key] = asked[:LONGEST]
    st.session_state.setdefault(key, default)


def record_text(key: str, text: str, default: str = "") -> None:
    """Write a text into the URL, unless it is the default or too long for one."""
    url_state.record(key, text if len(text) <= LONGEST else default, default)


def recall_number(key: str, low: float, high: float, default: float) -> None:
    """Do the same for a number; what is none, or out of its range, becomes the default.

    Args:
        key: The widget's key, and the name in the URL.
        low: Smallest value that the widget takes.
        high: Largest one.
        default: The value when the URL says nothing usable; it says whether numbers are whole.
    """
    asked = st.query_params.get(key)
    if asked is not None and url_state.is_news(key, asked):
        st.session_state[key] = _number(asked, low, high, default)
    st.session_state.setdefault(key, default)


def _number(text: str, low: float, high: float, default: float) -> float:
    try:
        value = type(default)(text)
    except ValueError:
        return default
    # NaN is in no range.
    return value if low <= value <= high else default


def record_number(key: str, value: float, default: float) -> None:
    """Write a number into the URL, unless it is the default."""
    # Ten digits: all of a seed, and none of what a slider's steps add to 0.15.
    url_state.record(key, f"{value:.10g}", f"{default:.10g}")


def page(key: str, count: int, per_page: int) -> range:
    """Let the visitor leaf through a list.

    Args:
        key: The widget's key, and the name in the URL.
        count: How many things there are.
        per_page: How many a page holds.

    Returns:
        The places of those on the page that is shown; all where one page holds them.
    """
    pages = max(1, -(-count // per_page))
    asked = st.query_params.get(key, "1")
    first = int(_number(asked, 1, pages, 1))
    if key in st.session_state and url_state.is_news(key, asked):
        st.session_state[key] = first
    shown = st.pagination(pages, default=first, key=key) if pages > 1 else 1
    record_number(key, shown, 1)
    return range((shown - 1) * per_page, min(count, shown * per_page))
