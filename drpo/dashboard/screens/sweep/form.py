"""Plan a sweep on the screen: what varies, with which seeds, within which budget."""

from __future__ import annotations

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.config import RunConfig, leaves
from drpo.dashboard.client.sweep import NOT_AXES, Axis, SweepPlan, parse_seeds
from drpo.dashboard.components import forms
from drpo.dashboard.components.notices import show_problem
from drpo.dashboard.components.run_inputs import settings_of, starting_points
from drpo.dashboard.state.relabel import relabel
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import duration

KINDS = ("grid", "random", "tpe")
FIRST = {
    "grid": {"reset_prob": "0, 0.5", "kl_coef": "0.05, 0.2"},
    "random": {"reset_prob": "0.05:1", "kl_coef": "0.01:1:log"},
    "tpe": {"reset_prob": "0.05:1", "kl_coef": "0.01:1:log"},
}
"""What the form proposes; 0 is always among the reset probabilities, listed or not."""


def plan_form() -> str | None:
    """Draw the form; returns the new sweep's id when it was started just now."""
    points = starting_points()
    points.pop("blank", None)
    for key in ("sweep_base", "sweep_kind"):
        relabel(key)
    with st.grid(3, min_column_width=220):
        point = st.selectbox(
            t("sweep.start_from"),
            list(points),
            key="sweep_base",
            format_func=lambda point: points[point],
        )
        kind = st.selectbox(
            t("sweep.kind"),
            KINDS,
            key="sweep_kind",
            help=t("sweep.kind_help"),
            format_func=lambda name: t(f"sweep.kind_{name}"),
        )
        name = st.text_input(t("sweep.name"), key="sweep_name", max_chars=60)
    if point is None:
        st.caption(t("launch.missing"))
        return None
    texts = _axes(str(kind))
    seeds, options = _plan_settings(str(kind))
    try:
        base = RunConfig.of(**settings_of(point))
        axes = tuple(Axis.parse(f"{leaf}={text}") for leaf, text in texts.items())
        plan = SweepPlan.of(base, axes=axes, kind=kind, seeds=parse_seeds(seeds), **options)
    except DrpoError as error:
        show_problem(error)
        return None
    st.caption(_size(plan, base))
    if not st.button(
        t("sweep.start"),
        type="primary",
        key="sweep_start",
        icon=":material/grid_view:",
        disabled=not client.access.may("launch"),
    ):
        return None
    try:
        sweep_id = client.sweep.start(plan, name.strip())
    except DrpoError as error:
        show_problem(error)
        return None
    client.runs.supervisor()
    return sweep_id


def _axes(kind: str) -> dict[str, str]:
    """The settings that vary, as text: the two live settings and, if wanted, another one."""
    hint = t("sweep.axis_grid" if kind == "grid" else "sweep.axis_range")
    others = ["", *(leaf for leaf in leaves() if leaf not in (*NOT_AXES, *FIRST[kind]))]
    texts: dict[str, str] = {}
    with st.grid(2, min_column_width=240):
        for leaf, proposed in FIRST[kind].items():
            text = st.text_input(
                f"{forms.label(leaf)} – {hint}", proposed, key=f"axis_{kind}_{leaf}"
            )
            if text.strip():
                texts[leaf] = text
        relabel("axis_other")
        other = st.selectbox(
            t("sweep.other"),
            others,
            key="axis_other",
            format_func=lambda leaf: forms.label(leaf) if leaf else t("sweep.other_choose"),
        )
        if other:
            texts[other] = st.text_input(hint, key=f"axis_{kind}_{other}")
    return texts


def _plan_settings(kind: str) -> tuple[str, dict[str, object]]:
    """Seeds, budget and the rest."""
    with st.grid(3, min_column_width=200):
        seeds = st.text_input(
            t("sweep.seeds"), "0-1", key="sweep_seeds", help=t("sweep.seeds_help")
        )
        trials = 12
        if kind != "grid":
            trials = int(st.number_input(t("sweep.trials"), 1, 500, 12, key="sweep_trials"))
        runs = st.number_input(
            t("sweep.budget_runs"), 1, None, None, key="sweep_runs", help=t("sweep.budget_help")
        )
        hours = st.number_input(
            t("sweep.budget_hours"),
            0.1,
            None,
            None,
            key="sweep_hours",
            help=t("sweep.budget_help"),
        )
        together = st.number_input(t("sweep.together"), 1, 64, 2, key="sweep_together")
    early = st.toggle(
        t("sweep.early_stop"), value=True, key="sweep_early", help=t("sweep.early_help")
    )
    return seeds, {
        "trials": trials,
        "budget_runs": None if runs is None else int(runs),
        "budget_hours": hours,
        "together": int(together),
        "early_stop": early,
    }


def _size(plan: SweepPlan, base: RunConfig) -> str:
    """How many runs that are, and how long they may take."""
    known = len(plan.known_cells())
    cells = known if plan.kind != "tpe" else known + plan.trials
    runs = cells * len(plan.seeds)
    text = t("sweep.planned", cells=cells, seeds=len(plan.seeds), runs=runs)
    runs = runs if plan.budget_runs is None else min(runs, plan.budget_runs)
    try:
        seconds = client.runs.estimate(base).seconds
    except DrpoError:
        return text
    time = duration(seconds * -(-runs // plan.together))
    return t("sweep.planned_time", runs_text=text, time=time, together=plan.together)
