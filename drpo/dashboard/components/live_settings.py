"""The settings of a live run as sliders, each of which stands at the value in effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import streamlit as st

from drpo import metrics
from drpo.charts.figures import RunSeries
from drpo.dashboard import client
from drpo.dashboard.client.config import RunConfig
from drpo.dashboard.client.store import Run
from drpo.dashboard.components import forms
from drpo.dashboard.components.notices import show_problem
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import number

METRICS = {"kl_coef": metrics.OBJECTIVE_KL_COEF, "reset_prob": metrics.RESET_PROB}
"""The metric that holds a setting's value in the last update."""


@dataclass(frozen=True, slots=True)
class _SliderState:
    """What a setting's slider was last set to."""

    measured: float
    """The setting's value in the last update seen."""
    shown: float
    """Where the slider was put; what was asked for, once it was."""


def live_settings(run: Run, source: RunSeries, who: str, *, key: str) -> None:
    """Show a slider for each setting that may change while the run goes on, and Apply.

    Args:
        run: A live run.
        source: Its metrics, for the settings' present values.
        who: Who changes them.
        key: What sets these sliders apart from those of another run on the same screen.
    """
    st.caption(t("live.live_settings_help"))
    settings = RunConfig.from_nested(run.config).flat()
    names = client.runs.live_settings(run)
    for name in names:
        last = source.get(METRICS[name]).last
        now = float(settings[name]) if last is None else round(last, 6)
        _slider(name, now, key=f"{name}_{key}")
    if st.button(t("live.apply"), type="primary", key=f"apply_{key}", icon=":material/check:"):
        _change(run.id, {name: f"{name}_{key}" for name in names}, who)


def _slider(name: str, now: float, *, key: str) -> None:
    """A slider that stands at the value in effect until somebody moves it.

    A slider with a key keeps its value whatever becomes of the setting: while a schedule moves it,
    when somebody else changes it. So an untouched one is moved along, and Apply asks only for what
    was moved.

    Args:
        name: The setting.
        now: Its value in the last update.
        key: The slider's key.
    """
    # Streamlit forgets a slider that a screen did not show, and keeps what stands beside it.
    drawn = key in st.session_state
    if not drawn or st.session_state[_state_key(key)].measured != now:
        if drawn and not _is_moved(key):
            st.session_state[key] = now
        st.session_state[_state_key(key)] = _SliderState(measured=now, shown=now)
    forms.slider(name, now, key=key)


def _is_moved(key: str) -> bool:
    """Whether somebody moved a slider since it was last set; what looks the same was not moved."""
    return number(st.session_state[key]) != number(st.session_state[_state_key(key)].shown)


def _state_key(key: str) -> str:
    return f"stands_{key}"


def _change(run_id: str, keys: Mapping[str, str], who: str) -> None:
    """Ask the run for the values of those sliders, by setting, that were moved."""
    moved = {name: float(st.session_state[key]) for name, key in keys.items() if _is_moved(key)}
    if not moved:
        st.toast(t("live.not_moved"), icon=":material/tune:")
        return
    try:
        client.runs.change_settings(run_id, moved, who)
    except DrpoError as error:
        show_problem(error)
        return
    for name, value in moved.items():
        # What was asked for counts only from the next update; until then it is not asked again.
        beside = _state_key(keys[name])
        st.session_state[beside] = replace(st.session_state[beside], shown=value)
    st.toast(t("live.applied"), icon=":material/tune:")
