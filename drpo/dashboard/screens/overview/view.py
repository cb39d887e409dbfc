"""What the overview alone shows: how far a verdict is, its risk and cost, where to look further."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from drpo.dashboard import navigation
from drpo.dashboard.client.analysis import Interval, Verdict, risk_lines, updates_of, verdict_words
from drpo.dashboard.client.data import table_csv
from drpo.dashboard.client.store import Run
from drpo.dashboard.components.hero import show_lines
from drpo.dashboard.components.notices import notice
from drpo.i18n import t
from drpo.i18n.format import count


def say_how_far(verdict: Verdict) -> None:
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


def show_risk_and_cost(verdict: Verdict) -> None:
    """Say what was risked, and what it cost, side by side."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader(t("overview.risked"))
        show_lines(risk_lines(verdict))
    with right:
        st.subheader(t("overview.cost"))
        show_lines([(verdict_words.cost_told(verdict.cost), False)])


def show_links(run: Run) -> None:
    """The way to the screens that say more of a run."""
    icons = {"live": "monitoring", "report": "description", "review": "how_to_vote"}
    with st.container(horizontal=True):
        for name, icon in icons.items():
            if navigation.exists(name):
                st.page_link(
                    navigation.path(name),
                    label=t(f"overview.to_{name}"),
                    icon=f":material/{icon}:",
                    query_params={"run": run.id},
                )


def show_figures(verdict: Verdict) -> None:
    """Every figure of the verdict, to look at and to take along."""
    shown = table(verdict)
    st.dataframe(shown, hide_index=True)
    st.download_button(
        t("overview.download"),
        table_csv(shown).encode(),
        f"{verdict.run.id}-verdict.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


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
