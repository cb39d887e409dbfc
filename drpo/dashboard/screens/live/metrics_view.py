"""How the list of all metrics is looked at; what is chosen stands in the URL."""

from __future__ import annotations

import streamlit as st

from drpo.dashboard.state import url_state
from drpo.i18n import t

SMOOTHEST = 0.95


def ask() -> tuple[str, float, bool]:
    """Ask which metrics are looked for, how smooth they are drawn, and on which axis.

    Returns:
        A part of the names, the share of the past in each value, and whether axes are logarithmic.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        wanted = st.text_input(
            t("live.search"), key="metric_search", bind="query-params", type="search", live=True
        )
        weight = st.slider(
            t("live.smoothing"),
            0.0,
            SMOOTHEST,
            step=0.05,
            key="metric_smoothing",
            bind="query-params",
        )
        url_state.recall_flag("metric_log")
        log = st.toggle(t("live.log_axis"), key="metric_log")
        url_state.record_flag("metric_log", log)
    return wanted or "", weight, log
