"""A pilot's last step: what to scale, what that would take, and who decided why."""

from __future__ import annotations

import json

import streamlit as st

from drpo.dashboard import client, navigation
from drpo.dashboard.client.analysis import (
    KeyFigure,
)
from drpo.dashboard.client.analysis import verdict_words as say
from drpo.dashboard.client.config import RunConfig
from drpo.dashboard.client.pilot import CHOICES, Pilot, PilotResult, scale_cost
from drpo.dashboard.components.hero import show_key_figures
from drpo.dashboard.components.notices import notice, show_problem
from drpo.dashboard.screens.pilot.result_step import effect_sentence
from drpo.dashboard.screens.pilot.view import clock
from drpo.dashboard.state.relabel import relabel
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import count, duration


def show_decision(one: Pilot) -> None:
    """Step 4: what to scale, what that would take, and who decided why."""
    st.write(t("pilot.decide_lead"))
    result = client.pilot.result_of(one)
    if result.seeds and result.judge is not None:
        sentence = say.joined(t(f"pilot.effect_{result.call}"), effect_sentence(result))
        st.text(sentence, width="stretch")
    made = one.decision
    if made.choice:
        sentence = t(
            "pilot.decided", time=clock(made.decided_at), choice=t(f"pilot.choice_{made.choice}")
        )
        by = f" {t('pilot.decided_by', who=made.who)}" if made.who else ""
        notice("done", f"{sentence}{by}\n{made.note}".strip())
    relabel(f"{one.id}_choice")
    choice = st.radio(
        t("pilot.choice"),
        CHOICES,
        key=f"{one.id}_choice",
        index=CHOICES.index(made.choice) if made.choice else None,
        format_func=lambda name: t(f"pilot.choice_{name}"),
    )
    scale = _scale(one, result, plain=choice == "scale_plain")
    note = st.text_area(
        t("pilot.note"),
        made.note,
        key=f"{one.id}_note",
        max_chars=1000,
        placeholder=t("pilot.note_placeholder"),
    )
    who = st.text_input(t("pilot.who"), made.who, key=f"{one.id}_who", max_chars=60)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(t("pilot.decide"), type="primary", key="decide", icon=":material/gavel:"):
            if choice is None:
                notice("warning", t("pilot.choose_first"))
            else:
                client.pilot.decide(one, choice, who=who, note=note, scale=scale)
                st.rerun()
        _what_now(one)


def _scale(one: Pilot, result: PilotResult, *, plain: bool) -> dict[str, float]:
    made, pilots = one.decision.scale, one.settings
    with st.grid(3, min_column_width=200):
        updates = st.number_input(
            t("pilot.scale_updates"),
            1,
            1_000_000,
            int(made.get("updates", 10 * pilots["updates"])),
            key=f"{one.id}_scale_updates",
        )
        episodes = st.number_input(
            t("pilot.scale_episodes"),
            1,
            100_000,
            int(made.get("episodes_per_update", pilots["episodes_per_update"])),
            key=f"{one.id}_scale_episodes",
        )
        seeds = st.number_input(
            t("pilot.scale_seeds"), 1, 100, int(made.get("seeds", 1)), key=f"{one.id}_scale_seeds"
        )
        model = st.number_input(
            t("pilot.scale_model"),
            0.1,
            1e6,
            float(made.get("model_times", 1.0)),
            key=f"{one.id}_scale_model",
        )
        length = st.number_input(
            t("pilot.scale_length"),
            0.1,
            100.0,
            float(made.get("length_times", 1.0)),
            key=f"{one.id}_scale_length",
        )
    cost = scale_cost(
        result.plain if plain else result.resets,
        updates=int(updates),
        episodes_per_update=int(episodes),
        seeds=int(seeds),
        model_times=float(model),
        length_times=float(length),
    )
    if cost is None:
        st.caption(t("pilot.no_speed"))
    else:
        ranged = t(
            "pilot.scale_range",
            low=duration(cost.low),
            high=duration(cost.high),
            episodes=count(cost.episodes),
        )
        show_key_figures([KeyFigure(t("pilot.scale_cost"), duration(cost.seconds), ranged)])
        st.caption(t("pilot.scale_help"))
    return {
        "updates": float(updates),
        "episodes_per_update": float(episodes),
        "seeds": float(seeds),
        "model_times": float(model),
        "length_times": float(length),
    }


def _what_now(one: Pilot) -> None:
    """The next screen for a decision that was kept."""
    if one.decision.choice not in ("scale_resets", "scale_plain"):
        return
    try:
        plan = client.pilot.scaled(one)
    except DrpoError as error:
        show_problem(error)
        return
    st.page_link(
        navigation.path("launch"),
        label=t("pilot.to_launch"),
        icon=":material/rocket_launch:",
        query_params=launch_link(plan),
    )


def launch_link(plan: RunConfig) -> dict[str, str]:
    """The launch form's query for a plan: every setting that is not at its default."""
    plain = RunConfig.of(data="-", policy="-").flat()
    asked = {
        leaf: value if isinstance(value, str) else json.dumps(value)
        for leaf, value in plan.flat().items()
        if value != plain[leaf]
    }
    return {"start": "blank", **asked}
