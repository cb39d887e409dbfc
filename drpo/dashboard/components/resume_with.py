"""Resuming an ended run with other settings: the way on for a run that diverged."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from drpo.charts.figures import RunSeries
from drpo.dashboard import client
from drpo.dashboard.client.config import RunConfig
from drpo.dashboard.client.store import Run, store
from drpo.dashboard.components import forms
from drpo.dashboard.components.live_settings import METRICS
from drpo.errors import DrpoError
from drpo.i18n import t


def diverged(run: Run) -> bool:
    """Whether a run ended because something became no number, which lower steps may prevent."""
    if run.status != "failed":
        return False
    errors = store().events.since(run.id, kinds=("error",))
    return bool(errors) and errors[-1].payload.get("how") == "diverged"


def resume_with(run: Run, source: RunSeries, who: str, *, key: str) -> None:
    """Show the settings that may change, and the button that goes on with them.

    Args:
        run: An ended run.
        source: Its metrics, for the settings' last values.
        who: Who asks.
        key: What sets these fields apart from those of another run on the same screen.
    """
    now = last_values(run, source)
    if not now:
        return
    lower = diverged(run)
    with st.popover(t("live.resume_with"), icon=":material/tune:", key=f"resume_with_{key}"):
        st.caption(t("live.resume_with_help"))
        fields = {}
        for name, value in now.items():
            first = value / 2 if lower and name == "learning_rate" else value
            # Its value is in the key: after another change the field begins at that one.
            fields[name] = f"resume_{name}_{key}_{value:g}"
            forms.field(name, first, key=fields[name])
        st.button(
            t("live.resume"),
            icon=":material/resume:",
            type="primary",
            key=f"resume_apply_{key}",
            on_click=_go_on,
            args=(run.id, who, now, fields, f"said_{key}"),
        )


def last_values(run: Run, source: RunSeries) -> dict[str, float]:
    """What the settings that may change on a resume were in the last update, by name."""
    settings = RunConfig.from_nested(run.config).flat()
    changed = {change["name"]: change["new"] for change in store().events.setting_changes(run.id)}
    values = {}
    for name in client.runs.resume_settings(run):
        measured = source.get(METRICS[name]).last if name in METRICS else None
        value = changed.get(name, settings[name]) if measured is None else round(measured, 6)
        values[name] = float(value)
    return values


def _go_on(
    run_id: str, who: str, now: Mapping[str, float], fields: Mapping[str, str], said: str
) -> None:
    entered = {name: st.session_state[field] for name, field in fields.items()}
    asked = {name: v for name, v in entered.items() if v is not None and v != now[name]}
    try:
        client.runs.resume(run_id, who, asked)
    except DrpoError as error:
        st.session_state[said] = [error]
