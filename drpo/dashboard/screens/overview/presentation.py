"""The overview for a room: one run's replay over the whole screen."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from drpo.dashboard.client.analysis import verdict_of
from drpo.dashboard.client.store import Run
from drpo.dashboard.components.verdict_summary import show_verdict
from drpo.dashboard.screens.overview.replay import replay
from drpo.dashboard.state import metric_series, url_state
from drpo.i18n import t

PRESENT = "present"
"""The switch's name in the URL, and its button's key."""


def is_on() -> bool:
    """Whether the overview is shown to a room."""
    return url_state.asked(PRESENT) == "1"


def offer() -> None:
    """The button that begins it."""
    if st.button(
        t("overview.present"),
        key=PRESENT,
        help=t("overview.present_help"),
        icon=":material/present_to_all:",
    ):
        url_state.ask(PRESENT, "1")
        st.rerun()


def chosen_run(runs: Mapping[str, Run], default: str) -> Run:
    """The run that was chosen before, or that the link names: here is no field to choose one."""
    run_id = url_state.recall("run", list(runs), default)
    url_state.record("run", run_id)
    return runs[run_id]


def show(run: Run) -> None:
    """Show a run's replay as large as it goes, or its verdict where there is nothing to replay."""
    _hide_the_rest()
    if st.button(t("overview.leave"), key="leave", icon=":material/close:"):
        url_state.forget(PRESENT)
        st.rerun()
    verdict, feed = verdict_of(run), metric_series.feed(run.id)
    if feed.measured:
        replay(verdict, feed, feed.events, key="stage", large=True)
    else:
        show_verdict(verdict)


def _hide_the_rest() -> None:
    """Leave nothing on the screen but what is shown to the room."""
    # A style of ours without any value in it.
    st.html(
        "<style>[data-testid='stSidebar'], [data-testid='stHeader'],"
        "[data-testid='stExpandSidebarButton'] { display: none }"
        # The screen before this one stays until the new one is whole; its replay is another.
        "[data-testid='stElementContainer'][data-stale='true'] { display: none }"
        "[data-testid='stMainBlockContainer'] { max-width: none; padding: 1rem 2rem }</style>"
    )
