"""What a person can lose by refreshing is in the URL: run, step, filters.

Streamlit does this itself for a widget with `bind="query-params"`, and a search, a slider, a number
or a page of a list is left to it. Not so here, where the URL must say something else than Streamlit
would write: of a choice that is its label, in the visitor's language, and a link must mean the same
to everyone; of a switch "true", and links say "1"; of a text all of it, however long. Nor can what
is bound be given a default that depends on what else is shown.

Such a widget is drawn between two calls: `recall...(key)` before it, `record...(key, value)` after.
"""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from drpo.dashboard.state.relabel import relabel
from drpo.i18n import t

LONGEST = 2000
"""Letters of one text that a URL carries; longer ones would break links in mail and chat."""


def asked(key: str, default: str = "") -> str:
    """What the URL says under a name."""
    return st.query_params.get(key, default)


def names_any(*keys: str) -> bool:
    """Whether the URL says anything under one of these names."""
    return any(key in st.query_params for key in keys)


def recall(key: str, options: Collection[str], default: str) -> str:
    """Put a choice from the URL into the session, before its widget is drawn.

    The URL wins when it changed by itself (a link, the back button); else the session does.

    Args:
        key: The widget's key, and the name in the URL.
        options: What the widget accepts; anything else in the URL is ignored.
        default: The value when neither says anything usable.

    Returns:
        The value now in the session.
    """
    text = st.query_params.get(key)
    if text in options and is_news(key, text):
        st.session_state[key] = text
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
    text = st.query_params.get(key)
    if text is not None and is_news(key, text):
        st.session_state[key] = text.split(",")
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
    text = st.query_params.get(key)
    if text is not None and is_news(key, text):
        st.session_state[key] = text == "1"
    relabel(key)
    return bool(st.session_state.setdefault(key, False))


def recall_text(key: str, default: str = "") -> None:
    """Do the same for a text."""
    text = st.query_params.get(key)
    if text is not None and is_news(key, text):
        st.session_state[key] = text[:LONGEST]
    st.session_state.setdefault(key, default)


def recall_number(key: str, low: float, high: float, default: float) -> None:
    """Do the same for a number; what is none, or out of its range, becomes the default.

    Args:
        key: The widget's key, and the name in the URL.
        low: Smallest value that the widget takes.
        high: Largest one.
        default: The value when the URL says nothing usable; it says whether numbers are whole.
    """
    text = st.query_params.get(key)
    if text is not None and is_news(key, text):
        st.session_state[key] = _number(text, low, high, default)
    st.session_state.setdefault(key, default)


def _number(text: str, low: float, high: float, default: float) -> float:
    try:
        value = type(default)(text)
    except ValueError:
        return default
    # NaN is in no range.
    return value if low <= value <= high else default


def is_news(key: str, text: str | None) -> bool:
    """Whether the URL says something that the widget does not know: a link, or a new widget.

    Another screen drops a widget's value, so a link back with the same value is news as well.
    """
    return text != st.session_state.get(_seen(key)) or key not in st.session_state


def record(key: str, value: str | list[str], default: str | list[str] = "") -> None:
    """Write a value into the URL; a default is left out to keep links short."""
    text = value if isinstance(value, str) else ",".join(value)
    plain = default if isinstance(default, str) else ",".join(default)
    st.session_state[_seen(key)] = text
    if text == plain:
        forget(key)
    elif st.query_params.get(key) != text:
        st.query_params[key] = text


def record_flag(key: str, on: bool) -> None:
    """Write whether a switch is on."""
    record(key, "1" if on else "")


def record_text(key: str, text: str, default: str = "") -> None:
    """Write a text into the URL, unless it is the default or too long for one."""
    record(key, text if len(text) <= LONGEST else default, default)


def record_number(key: str, value: float, default: float) -> None:
    """Write a number into the URL, unless it is the default."""
    # Ten digits: all of a seed, and none of what a slider's steps add to 0.15.
    record(key, f"{value:.10g}", f"{default:.10g}")


def ask(key: str, text: str) -> None:
    """Make the URL say something, as a link would: the widget of that name takes it up."""
    st.query_params[key] = text


def forget(*keys: str) -> None:
    """Take names out of the URL."""
    for key in keys:
        if key in st.query_params:
            del st.query_params[key]


def _seen(key: str) -> str:
    return f"{key}@url"
