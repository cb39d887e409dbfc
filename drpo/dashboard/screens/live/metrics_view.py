"""How the list of all metrics is looked at; what is chosen stands in the URL."""

from __future__ import annotations

import streamlit as st

from drpo.dashboard.state import url_fields, url_state
from drpo.i18n import t

SMOOTHEST = 0.95


def choices() -> tuple[str, float, bool]:
    """Ask which metrics are looked for, how smooth they are drawn, and on which axis.

    Returns:
        A part of the names, the share of the past in each value, and whether axes are logarithmic.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        url_fields.recall_text("metric_search")
        wanted = st.text_input(t("live.search"), key="metric_search", type="search", live=True)
        url_fields.record_text("metric_search", wanted or "")
        url_fields.recall_number("metric_smoothing", 0.0, SMOOTHEST, 0.0)
        weight = st.slider(t("live.smoothing"), 0.0, SMOOTHEST, step=0.05, key="metric_smoothing")
        url_fields.record_number("metric_smoothing", weight, 0.0)
        url_state.recall_flag("metric_log")
        log = st.toggle(t("live.log_axis"), key="metric_log")
        url_state.record("metric_log", "1" if log else "")
    return wanted or "", weight, log
