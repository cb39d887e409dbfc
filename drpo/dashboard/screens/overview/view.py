"""What the overview alone shows: the stage for a room, how far a verdict is, the table."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from drpo.dashboard.client.analysis import Interval, Verdict, updates_of
from drpo.dashboard.components.notices import notice
from drpo.i18n import t
from drpo.i18n.format import count


def stage() -> None:
    """Leave nothing on the screen but what is shown to the room."""
    # A style of ours without any value in it.
    st.html(
        "<style>[data-testid='stSidebar'], [data-testid='stHeader'],"
        "[data-testid='stExpandSidebarButton'] { display: none }"
        # The screen before this one stays until the new one is whole; its replay is another.
        "[data-testid='stElementContainer'][data-stale='true'] { display: none }"
        "[data-testid='stMainBlockContainer'] { max-width: none; padding: 1rem 2rem }</style>"
    )


def state(verdict: Verdict) -> None:
    """Say that a verdict is early, or on a run that broke off."""
    run = verdict.run
    if run.status == "finished":
        return
    planned = updates_of(run)
    if planned is None:
        notice("note", t("overview.still_running" if verdict.live else "overview.broke_off"))
        return
    key = "overview.so_far" if verdict.live else "overview.ended_early"
    notice("note", t(key, step=count(run.step), updates=count(planned)))


def table(verdict: Verdict) -> pd.DataFrame:
    """Every figure of the verdict with its interval."""
    rows = [_row(t(f"overview.row_{one.source}"), one.rate) for one in verdict.comparisons]
    if verdict.change:
        rows.append(_row(t("overview.row_gain"), verdict.change.gain))
    plain = {
        "row_kl": verdict.risk.kl,
        "row_alarms": float(len(verdict.risk.alarms)),
        "row_seconds": verdict.cost.seconds,
        "row_episodes": float(verdict.cost.episodes),
    }
    rows += [(t(f"overview.{key}"), value, None, None, None) for key, value in plain.items()]
    names = [t(f"overview.col_{name}") for name in ("figure", "value", "low", "high", "n")]
    return pd.DataFrame(rows, columns=names)


def _row(
    name: str, interval: Interval
) -> tuple[str, float | None, float | None, float | None, int | None]:
    return name, interval.value, interval.low, interval.high, interval.n
