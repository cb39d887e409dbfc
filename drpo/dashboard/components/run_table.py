"""Runs as a table: where each stands and what it gained, with a button that opens it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from drpo import metrics
from drpo.dashboard import navigation
from drpo.dashboard.client.store import Run
from drpo.dashboard.components import alarm_cards
from drpo.dashboard.components.run_status import share_done
from drpo.dashboard.state import metric_series
from drpo.dashboard.state.language import moment
from drpo.i18n import t
from drpo.metrics import words

OPENED = "opened_run"


def run_table(runs: Sequence[Run], *, key: str, height: int | None = None) -> None:
    """Show runs, and which have open alarms; a click on a row's button opens it on Live."""
    frame = _frame(runs)
    open_alarms = [len(alarm_cards.open_alarms(run)) for run in runs]
    if any(open_alarms):
        frame.insert(3, "alarms", [f"▲ {count}" if count else "" for count in open_alarms])
    st.dataframe(
        frame,
        hide_index=True,
        key=key,
        alt=t("runs.alt"),
        height=height or "auto",
        column_config=_columns(runs, key),
    )
    _leave()


def pick_runs(runs: Sequence[Run], *, key: str, height: int | None = None) -> list[Run]:
    """Show runs with their tags and a box to tick on each row; returns the ticked ones.

    The ticks belong to places in the table, so `key` must change when its rows do.
    """
    frame = _frame(runs)
    frame.insert(2, "kept", [_kept(run) for run in runs])
    frame.insert(3, "tags", [list(run.tags) for run in runs])
    column = st.column_config
    event = st.dataframe(
        frame,
        hide_index=True,
        key=key,
        alt=t("runs.alt"),
        height=height or "auto",
        on_select="rerun",
        selection_mode="multi-row",
        column_config=_columns(runs, key)
        | {
            "name": column.TextColumn(t("runs.name"), width=290),
            "kept": column.TextColumn("", width=90),
            "tags": column.ListColumn(t("runs.tags"), width=140),
        },
    )
    _leave()
    return [runs[row] for row in event["selection"]["rows"] if row < len(runs)]


def _kept(run: Run) -> str:
    marks_of_run = [t("runs.pinned")] * run.pinned + [t("runs.archived")] * run.archived
    return " · ".join(marks_of_run)


def _frame(runs: Sequence[Run]) -> pd.DataFrame:
    table = metric_series.runs_table(runs)
    return pd.DataFrame(
        {
            "open": [t("runs.open")] * len(table),
            "name": table["name"],
            "status": [t(f"live.status_{status}") for status in table["status"]],
            "done": [None if share is None else 100 * share for share in map(share_done, runs)],
            "gold": table["gold_gain"],
            "scores": table["scores_gain"],
            "kl": table["kl"],
            "reset_prob": table["reset_prob"],
            "kl_coef": table["kl_coef"],
            "created": table["created"],
        }
    )


def _columns(runs: Sequence[Run], key: str) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "open": st.column_config.ButtonColumn(
            "",
            type="tertiary",
            key=f"{key}_open",
            on_click=_open,
            args=(f"{key}_open", [run.id for run in runs]),
            width="small",
        ),
        # Wide enough for most names, and narrow enough that the table needs no scrolling.
        "name": st.column_config.TextColumn(t("runs.name"), width=170),
        "status": st.column_config.TextColumn(t("runs.status")),
        "alarms": st.column_config.TextColumn(t("runs.alarms"), help=t("runs.alarms_help")),
        "done": st.column_config.ProgressColumn(
            t("runs.done"), min_value=0, max_value=100, format="%d %%", width=110
        ),
        "gold": number(t("runs.gold_gain"), format="%+.2f", help=t("runs.gain_help")),
        "scores": number(t("runs.scores_gain"), format="%+.2f", help=t("runs.gain_help")),
        "kl": number(t("runs.kl"), format="%.2f", help=words.unit(metrics.EVAL_KL)),
        "reset_prob": number("reset_prob", format="%.2f"),
        "kl_coef": number("kl_coef", format="%.3g"),
        "created": st.column_config.DatetimeColumn(t("runs.created"), format=moment()),
    }


def _open(key: str, ids: Sequence[str]) -> None:
    st.session_state[OPENED] = ids[st.session_state[key]["row"]]


def _leave() -> None:
    opened = st.session_state.pop(OPENED, None)
    if opened:
        st.switch_page(navigation.path("live"), query_params={"run": opened})
