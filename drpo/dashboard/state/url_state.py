"""What a person can lose by refreshing is in the URL: run, step, filters.

Streamlit's own binding writes the label of a choice into the URL, in the visitor's language; a link
must mean the same to everyone, so choices are kept by their plain names here.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import streamlit as st

from drpo.dashboard.state.relabel import relabel
from drpo.i18n import t


def recall(key: str, options: Collection[str], default: str) -> str:
    """Put a widget's value from the URL into the session, before the widget is drawn.

    The URL wins when it changed by itself (a link, the back button); else the session does.

    Args:
        key: The widget's key, and the name in the URL.
        options: What the widget accepts; anything else in the URL is ignored.
        default: The value when neither says anything usable.

    Returns:
        The value now in the session.
    """
    asked = st.query_params.get(key)
    if asked in options and is_news(key, asked):
        st.session_state[key] = asked
    elif st.session_state.get(key) not in options:
        st.session_state[key] = default
    relabel(key)
    return str(st.session_state[key])


def recall_many(
    key: str, options: Collection[str], default: list[str], most: int | None = None
) -> list[str]:
    """Do the same for a choice of several, comma-separated in the URL.

    What is unknown, there already, or one more than `most` is left out; the last is said.
    """
    asked = st.query_params.get(key)
    if asked is not None and is_news(key, asked):
        st.session_state[key] = asked.split(",")
    elif key not in st.session_state:
        st.session_state[key] = list(default)
    known = [value for value in dict.fromkeys(st.session_state[key]) if value in options]
    kept = known[:most]
    if len(kept) < len(known):
        st.toast(t("frame.too_many", most=len(kept), count=len(known)))
    if kept != st.session_state[key]:
        st.session_state[key] = kept
    relabel(key)
    return kept


def recall_flag(key: str) -> bool:
    """Do the same for a switch, which is off by default."""
    asked = st.query_params.get(key)
    if asked is not None and is_news(key, asked):
        st.session_state[key] = asked == "1"
    return bool(st.session_state.setdefault(key, False))


def recall_number(key: str) -> float | None:
    """Do the same for a positive number that may be left out."""
    asked = st.query_params.get(key)
    if asked is not None and is_news(key, asked):
        try:
            value = float(asked)
        except ValueError:
            value = math.nan
        st.session_state[key] = value if 0 < value < math.inf else None
    found: float | None = st.session_state.setdefault(key, None)
    return found


def is_news(key: str, asked: str | None) -> bool:
    """Whether the URL says something that the widget does not know: a link, or a new widget.

    Another screen drops a widget's value, so a link back with the same value is news as well.
    """
    return asked != st.session_state.get(_seen(key)) or key not in st.session_state


def record(key: str, value: str | list[str], default: str | list[str] = "") -> None:
    """Write a value into the URL; a default is left out to keep links short."""
    text = value if isinstance(value, str) else ",".join(value)
    plain = default if isinstance(default, str) else ",".join(default)
    st.session_state[_seen(key)] = text
    if text == plain:
        if key in st.query_params:
            del st.query_params[key]
    elif st.query_params.get(key) != text:
        st.query_params[key] = text


def _seen(key: str) -> str:
    return f"{key}@url"
