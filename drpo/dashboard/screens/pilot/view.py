"""How a pilot begins, its four steps on the screen, and the second of them: the runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from drpo import metrics
from drpo.dashboard import client, navigation
from drpo.dashboard.client.pilot import STEPS, Member, Pilot
from drpo.dashboard.components import forms
from drpo.dashboard.components.notices import guarded, show_problem
from drpo.dashboard.components.run_inputs import settings_of, starting_points
from drpo.dashboard.state import metric_series, url_state
from drpo.dashboard.state.relabel import relabel
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import count, duration

OWN = ("name", "seed", "reset_prob")
"""Settings that a pilot gives its runs itself."""
MOST_SAMPLES = 200
LEAST_RESETS = 0.05
TICK = 2.0


def list_and_begin() -> None:
    """Pilots there are, and the form for a new one."""
    known = client.pilot.every()
    st.subheader(t("pilot.existing"))
    if not known:
        st.write(t("pilot.none_yet"))
    for one in known:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(
                navigation.path("pilot"),
                label=f"{t('pilot.open')} {clock(one.created_at)}",
                icon=":material/explore:",
                query_params={"pilot": one.id},
            )
            st.text(f"{one.name} · {_state(one)}")
    st.subheader(t("pilot.begin"))
    every = starting_points()
    samples = {point: name for point, name in every.items() if point.startswith("sample-")}
    points = samples or every
    relabel("begin_from")
    with st.form("begin"):
        name = st.text_input(
            t("pilot.name"), t("pilot.name_default"), max_chars=60, key="begin_name"
        )
        point = st.selectbox(
            t("pilot.start"),
            list(points),
            format_func=points.__getitem__,
            help=t("pilot.start_help"),
            key="begin_from",
        )
        begun = st.form_submit_button(t("pilot.begin"), type="primary", key="begin_pilot")
    if begun:
        try:
            made = client.pilot.create(name, shared_settings(settings_of(point)))
        except DrpoError as error:
            show_problem(error)
            return
        url_state.ask("pilot", made.id)
        st.rerun()


def shared_settings(values: dict[str, Any]) -> dict[str, Any]:
    """What both arms share; every held-out answer is kept, since the verdict compares answers."""
    kept = min(int(values["eval_prompts"]), MOST_SAMPLES)
    shared = {leaf: value for leaf, value in values.items() if leaf not in OWN}
    return {**shared, "sample_prompts": kept}


def _state(one: Pilot) -> str:
    if one.decision.choice:
        return t(f"pilot.choice_{one.decision.choice}")
    done, total = client.pilot.progress(client.pilot.members(one))
    return (
        t("pilot.progress", done=count(done), total=count(total)) if total else t("pilot.planned")
    )


def clock(seconds: float) -> str:
    """A moment, in universal time."""
    return t("pilot.hour", time=time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds)))


def stepper() -> int:
    """The four steps; all can be reached at any time. Returns the present one, from 1."""
    places = [str(place) for place in range(1, len(STEPS) + 1)]
    # The link's name for it is `step`, as Live's is for another kind of step; the widget's is not.
    asked = url_state.asked("step", "1")
    # Another screen drops the widget's value; the link that led back here still says it.
    fresh = "pilot_step" not in st.session_state
    if asked in places and (fresh or asked != st.session_state.get("pilot_step_asked")):
        st.session_state["pilot_step"] = asked
    st.session_state.setdefault("pilot_step", places[0])
    place = st.segmented_control(
        t("pilot.steps"),
        places,
        key="pilot_step",
        required=True,
        label_visibility="collapsed",
        format_func=lambda place: f"{place}. {t(f'pilot.step_{STEPS[int(place) - 1]}')}",
    )
    st.session_state["pilot_step_asked"] = str(place)
    url_state.ask("step", str(place))
    return int(str(place))


def next_step(step: int) -> None:
    """The button to what comes after."""
    if step < len(STEPS):
        st.button(
            t("pilot.next", step=t(f"pilot.step_{STEPS[step]}")),
            key="next_step",
            icon=":material/arrow_forward:",
            on_click=_go_to,
            args=(str(step + 1),),
        )


def _go_to(place: str) -> None:
    st.session_state["pilot_step"] = place


def show_runs(one: Pilot) -> None:
    """Step 2: the plan, the button, and how far the runs are."""
    st.write(t("pilot.runs_lead"))
    planned = client.pilot.members(one)
    if not any(member.run for member in planned):
        one = _plan(one)
        planned = client.pilot.members(one)
    live = any(member.run and metric_series.is_live(member.run) for member in planned)

    @st.fragment(run_every=TICK if live else None, key="pilot_runs")
    @guarded
    def tick() -> None:
        now = client.pilot.members(one)
        _show_members(now)
        if live and not any(member.run and metric_series.is_live(member.run) for member in now):
            st.rerun()

    if any(member.run for member in planned):
        tick()
    _run_buttons(one, planned, live=live)


def _plan(one: Pilot) -> Pilot:
    values = {**one.settings, "reset_prob": one.reset_prob}
    chosen: dict[str, Any] = {}
    with st.grid(3, min_column_width=220):
        for leaf in ("updates", "episodes_per_update", "response_length", "learning_rate"):
            chosen[leaf] = forms.field(leaf, values[leaf], key=f"{one.id}_{leaf}")
        seeds = st.number_input(
            t("pilot.seeds"),
            1,
            20,
            len(one.seeds),
            key=f"{one.id}_seeds",
            help=t("pilot.seeds_help"),
        )
    left, right = st.columns(2, gap="large")
    with left:
        # At 0 the two arms would be the same runs.
        prob = forms.slider(
            "reset_prob",
            max(one.reset_prob, LEAST_RESETS),
            key=f"{one.id}_reset_prob",
            lowest=LEAST_RESETS,
        )
    with right:
        chosen["kl_coef"] = forms.slider(
            "kl_coef", float(values["kl_coef"]), key=f"{one.id}_kl_coef"
        )
    wanted = replace(
        one,
        settings={**one.settings, **chosen},
        seeds=tuple(range(int(seeds))),
        reset_prob=prob,
    )
    if wanted != one:
        one = client.pilot.change(
            one, settings=wanted.settings, seeds=wanted.seeds, reset_prob=wanted.reset_prob
        )
    try:
        seconds = 2 * len(one.seeds) * client.runs.estimate(one.config("resets", 0)).seconds
    except DrpoError as error:
        st.text(str(error))
    else:
        st.caption(t("pilot.estimate", runs=count(2 * len(one.seeds)), time=duration(seconds)))
    return one


def _show_members(planned: Sequence[Member]) -> None:
    done, total = client.pilot.progress(planned)
    st.progress(
        min(1.0, done / max(1, total)),
        text=t("pilot.progress", done=count(done), total=count(total)),
    )
    st.dataframe(members_table(planned), hide_index=True)


def members_table(planned: Sequence[Member]) -> pd.DataFrame:
    """One row a run of the pilot."""
    rows = []
    for member in planned:
        run = member.run
        last = run.summary.get("last") if run else None
        rows.append(
            {
                t("pilot.col_seed"): member.seed,
                t("pilot.col_arm"): t(f"pilot.arm_{member.arm}"),
                t("pilot.col_status"): t(f"live.status_{run.status}" if run else "pilot.planned"),
                t("pilot.col_step"): f"{run.step} / {run.config['ppo']['updates']}" if run else "",
                t("pilot.col_gold"): metrics.read(last, metrics.EVAL_GOLD),
                t("pilot.col_score"): metrics.read(last, metrics.EVAL_SCORES),
                t("pilot.col_kl"): metrics.read(last, metrics.EVAL_KL),
                t("pilot.col_seconds"): round(run.summary.get("wall_seconds", 0)) if run else None,
                t("pilot.col_problem"): run.error if run else "",
            }
        )
    return pd.DataFrame(rows)


def _run_buttons(one: Pilot, planned: Sequence[Member], *, live: bool) -> None:
    missing = any(
        member.run is None or member.run.status in client.runs.RESUMABLE for member in planned
    )
    begun = any(member.run for member in planned)
    with st.container(horizontal=True):
        if missing and st.button(
            t("pilot.run_rest" if begun else "pilot.run"),
            key="run_pilot",
            type="primary",
            icon=":material/rocket_launch:",
        ):
            try:
                with st.spinner(t("pilot.queued")):
                    client.pilot.launch(one)
            except DrpoError as error:
                show_problem(error)
            else:
                st.rerun()
        if live and st.button(t("pilot.stop"), key="stop_pilot", icon=":material/stop:"):
            client.pilot.stop(one)
            st.rerun()
        first = next((m.run for m in planned if m.run and metric_series.is_live(m.run)), None)
        if first is not None:
            st.page_link(
                navigation.path("live"),
                label=t("pilot.watch"),
                icon=":material/monitoring:",
                query_params={"run": first.id},
            )
