"""The launch form: where its choices come from, and what it makes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st
from pydantic import ValidationError

from drpo.dashboard import client
from drpo.dashboard.client.config import (
    METHODS,
    RunConfig,
    command_line,
    groups,
    leaves,
    name_of,
)
from drpo.dashboard.components import forms
from drpo.dashboard.components.notices import notice
from drpo.dashboard.components.run_inputs import INPUTS
from drpo.dashboard.state import url_state
from drpo.errors import DrpoError
from drpo.i18n import format, t
from drpo.i18n.format import duration, size

CUT_AT_MOST = 0.05
"""Share of cut answers that is not worth a proposal."""
LENGTH = "response_length"
DEVICES = "devices"
"""Shown unfolded where there are several."""
SLIDERS = ("reset_prob", "kl_coef")
"""The two settings that matter most."""


def from_url(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a link asks for, without those that their own field does not take.

    Whether settings agree with each other is said where the form is put together.
    """
    asked = {}
    for leaf in values:
        if not url_state.names_any(leaf):
            continue
        text = url_state.asked(leaf)
        if forms.kind_of(leaves()[leaf][1])[0] is str:
            # A name stays a name even where it reads as a number; what was emptied is null.
            asked[leaf] = None if text == "null" else text
            continue
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if _takes(leaf, value):
            asked[leaf] = value
    return asked


def _takes(leaf: str, value: Any) -> bool:  # noqa: ANN401 - whatever a link says
    """Whether a setting's own field takes a value, whatever the other settings are."""
    group, _ = leaves()[leaf]
    try:
        groups()[group].model_validate({leaf: value})
    except ValidationError as error:
        return all(problem["loc"][:1] != (leaf,) for problem in error.errors())
    return True


def to_url(values: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """Write the settings that differ from the starting point into the URL."""
    for leaf, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        plain = "" if value == base[leaf] else text
        url_state.record(leaf, plain)


def choose_way(base: Mapping[str, Any], *, key: str) -> None:
    """Offer the published ways to reset; the one chosen puts its settings into the fields.

    What one of them sets and another does not goes back to the starting point's value.

    Args:
        base: The starting point's settings.
        key: What its fields' keys begin with.
    """
    name = f"{key}_way"

    def take() -> None:
        found = METHODS[st.session_state[name]]
        for leaf in {leaf for one in METHODS.values() for leaf in one.settings}:
            st.session_state[f"{key}_{leaf}"] = found.settings.get(leaf, base[leaf])
        st.session_state[f"{key}_method"] = found.method
        st.session_state[name] = None

    st.selectbox(
        t("launch.way"),
        list(METHODS),
        index=None,
        key=name,
        on_change=take,
        format_func=lambda one: t(f"methods.{one}"),
        placeholder=t("launch.choose_way"),
        help=t("launch.way_help"),
    )


def show_way(config: RunConfig) -> None:
    """Say which published way to reset the settings make, where, and what differs from it."""
    name = name_of(config)
    if name in METHODS:
        st.caption(t(f"methods.{name}"))
        st.caption(t(f"methods.{name}_differs"))
        # Not in the caption: a link in its grey is too faint to read.
        st.markdown(f"[{t('launch.paper')}]({METHODS[name].paper})")


def main_settings(values: Mapping[str, Any], *, key: str) -> dict[str, Any]:
    """The live settings and the others that are shown unfolded."""
    chosen: dict[str, Any] = {}
    with st.container(border=True, key="live_settings"):
        for place, leaf in zip(st.columns(2, gap="large"), SLIDERS, strict=True):
            with place:
                chosen[leaf] = forms.slider(leaf, float(values[leaf]), key=f"{key}_{leaf}")
                st.caption(t(f"launch.ends_{leaf}"))
    several = (DEVICES,) if len(client.runs.gpus()) > 1 else ()
    main = [
        leaf
        for leaf, (_, declared) in leaves().items()
        if (forms.is_main(declared) or leaf in several) and leaf not in (*INPUTS, *SLIDERS)
    ]
    with st.grid(4, min_column_width=200):
        for leaf in main:
            chosen[leaf] = forms.field(leaf, values[leaf], key=f"{key}_{leaf}")
    return chosen


def other_settings(
    values: Mapping[str, Any], chosen: Mapping[str, Any], *, key: str
) -> dict[str, Any]:
    """The rest, folded away by group; only the open group's fields are drawn."""
    folded = {
        group: [leaf for leaf in model.model_fields if leaf not in chosen and leaf not in INPUTS]
        for group, model in groups().items()
    }
    url_state.recall("more", ["", *folded], "")
    opened = st.pills(
        t("launch.more"),
        [group for group, rest in folded.items() if rest],
        key="more",
        format_func=lambda group: t(f"launch.group_{group}"),
    )
    url_state.record("more", str(opened or ""))
    found: dict[str, Any] = {}
    with st.grid(4, min_column_width=200):
        for group, rest in folded.items():
            for leaf in rest:
                name = f"{key}_{leaf}"
                if group == opened:
                    found[leaf] = forms.field(leaf, values[leaf], key=name)
                else:
                    found[leaf] = _as_entered(values[leaf], st.session_state.get(name))
    return found


def _as_entered(value: Any, entered: Any) -> Any:  # noqa: ANN401 - a value of any setting
    """What a folded field was given, else the value it would show."""
    if entered is None:
        return value
    if isinstance(value, tuple):
        return tuple(entered)
    return value if entered == "" and value is None else entered


def command_line_of(config: RunConfig) -> str:
    """The command that launches the same run: every setting that is not at its default."""
    plain = RunConfig.of(data="-", policy="-").flat()
    return command_line(
        {leaf: value for leaf, value in config.flat().items() if value != plain[leaf]}
    )


def show_cut_answers(config: RunConfig, *, key: str) -> None:
    """Say how many answers the length limit cuts, and offer one that the data ask for."""
    try:
        found = client.runs.cut_answers(config)
    except DrpoError:
        return  # what is wrong is said with the estimate
    if found is None:
        return
    length, cut = format.count(found.length), format.share(found.share)
    if found.proposed == found.length or found.share <= CUT_AT_MOST:
        st.caption(t("tokens.cut_none", length=length, share=cut))
        return
    proposed = format.count(found.proposed)
    name = f"{key}_{LENGTH}"

    def take() -> None:
        st.session_state[name] = found.proposed

    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(t("tokens.cut_launch", length=length, share=cut, proposed=proposed))
        words = t("tokens.take", proposed=proposed)
        st.button(words, key="take_length", on_click=take, type="tertiary")


def show_estimate(config: RunConfig) -> None:
    """Say how long the run will take and how much memory, or why that cannot be said."""
    if config.run.executor == "thread":
        notice("warning", t("launch.thread_risk"))
    try:
        cost = client.runs.estimate(config)
    except DrpoError as error:
        st.text(str(error))
        return
    few = client.runs.few_visits(config)
    if few is not None:
        notice("warning", few.text())
    with st.grid(3, min_column_width=160):
        st.metric(t("launch.time"), duration(cost.seconds), border=True)
        st.metric(t("launch.per_update"), duration(cost.seconds_per_update), border=True)
        st.metric(t("launch.memory"), size(cost.memory_bytes), border=True)
    st.caption(t("launch.measured" if cost.source == "measured" else "launch.calculated"))
    if cost.downloads:
        st.text(t("launch.downloads", names=", ".join(one.text() for one in cost.downloads)))
