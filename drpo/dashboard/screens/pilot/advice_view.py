"""Before a pilot: a few minutes of draws, and whether they speak for resets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.pilot import Pilot
from drpo.dashboard.components.notices import guarded, notice
from drpo.i18n import t
from drpo.i18n.format import number
from drpo.i18n.message import Message


def show_advice(one: Pilot) -> None:
    """Offer the drawing, show how it stands, and what came of it."""
    st.subheader(t("advice.title"))
    st.write(t("advice.lead"))
    status = client.pilot.look_status(one)
    if status.state == "running":
        _progress(one)
        return
    if status.state == "failed":
        notice("problem", status.error or t("evaluation.bug"))
    done = status.state == "done"
    if done:
        _show(client.pilot.advice(one))
    words = t("advice.again" if done else "advice.go")
    if st.button(words, key="look", icon=":material/troubleshoot:"):
        client.pilot.look(one)
        st.rerun()


@st.fragment(run_every=1)
@guarded
def _progress(one: Pilot) -> None:
    status = client.pilot.look_status(one)
    if status.state != "running":
        st.rerun()
    share = status.done / status.total if status.total else 0.0
    st.progress(min(1.0, share), text=t("advice.drawing", seconds=f"{status.seconds:.0f}"))
    if st.button(t("evaluation.stop"), key="look_stop", icon=":material/stop:"):
        client.pilot.stop_looking(one)
        st.rerun()


def _show(found: Mapping[str, Any]) -> None:
    short = t(f"advice.short_{found['advice']}")
    st.markdown(f"**{t('advice.verdict', advice=short)}**")
    for reason in found["reasons"]:
        st.text(Message.from_dict(reason).text())
    others = [t(f"advice.short_{other}") for other in found["otherwise"]]
    st.caption(t("advice.unsure", others="; ".join(others)) if others else t("advice.sure"))
    table = pd.DataFrame(
        {
            t("advice.col_given"): [f"{depth['share']:.0%}" for depth in found["depths"]],
            t("advice.col_success"): [_share(depth["success"]) for depth in found["depths"]],
            t("advice.col_differ"): [
                _share(depth["groups_that_differ"]) for depth in found["depths"]
            ],
            t("advice.col_score"): [number(depth["mean_score"]) for depth in found["depths"]],
        }
    )
    st.dataframe(table, hide_index=True, key="advice_table", alt=t("advice.title"))


def _share(one: Mapping[str, Any]) -> str:
    if one["value"] is None or one["low"] is None or one["high"] is None:
        return "–"
    return f"{one['value']:.0%} ({one['low']:.0%}–{one['high']:.0%})"
