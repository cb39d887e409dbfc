"""A pilot's first step: which pairs and models, and what is in the pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from drpo.dashboard import client, navigation
from drpo.dashboard.client.analysis import KeyFigure
from drpo.dashboard.client.pilot import Pilot
from drpo.dashboard.components import data_problems, forms, run_inputs
from drpo.dashboard.components.hero import show_key_figures
from drpo.dashboard.components.notices import show_problem
from drpo.dashboard.screens.pilot import advice_view
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import count, number


def show_data(one: Pilot) -> None:
    """Step 1: which pairs and models, and what is in the pairs."""
    st.write(t("pilot.data_lead"))
    fixed = any(member.run for member in client.pilot.members(one))
    known = run_inputs.known_inputs()
    if fixed:
        st.caption(t("pilot.data_fixed"))
        values = {
            forms.label(leaf): run_inputs.short_name(str(one.settings[leaf]))
            for leaf in run_inputs.INPUTS
            if one.settings.get(leaf)
        }
        st.dataframe(pd.DataFrame([values]), hide_index=True)
    else:
        one = _choose(one, known)
        if navigation.exists("data"):
            st.page_link(
                navigation.path("data"), label=t("pilot.to_data"), icon=":material/upload:"
            )
    report = _report_of(one)
    if report is not None:
        _show_report(report)
    if one.settings.get("data") and one.settings.get("policy"):
        advice_view.show_advice(one)


def _choose(one: Pilot, known: dict[str, list[str]]) -> Pilot:
    chosen: dict[str, Any] = {}
    with st.grid(2, min_column_width=280):
        for leaf in run_inputs.INPUTS:
            value, key = one.settings.get(leaf), f"{one.id}_{leaf}"
            if leaf == "heldout":
                # A held-out file belongs to its data: other pairs set their own prompts apart. A
                # field keeps what it holds, so each data set has a held-out field of its own.
                value = value if chosen["data"] == one.settings["data"] else None
                key = f"{key}_{chosen['data']}"
            chosen[leaf] = run_inputs.choose_input(leaf, value, known[leaf], key=key)
    if not chosen["data"] or not chosen["policy"]:
        return one
    if all(one.settings.get(leaf) == value for leaf, value in chosen.items()):
        return one
    return client.pilot.change(one, settings={**one.settings, **chosen})


def _report_of(one: Pilot) -> dict[str, Any] | None:
    """The report that was saved with the data, else one made now of a file that is here."""
    named = str(one.settings["data"])
    saved = client.data.find_version(named)
    if saved is not None and saved.report:
        return dict(saved.report)
    path = client.data.file_of(named)
    if path is None:
        return None
    with st.spinner(t("pilot.checking")):
        try:
            return _checked(
                named,
                path.stat().st_mtime,
                str(one.settings["policy"]),
                int(one.settings["response_length"]),
            )
        except DrpoError as error:
            show_problem(error)
            return None


@st.cache_data(max_entries=8, show_spinner=False)
def _checked(path: str, _changed: float, policy: str, response_length: int) -> dict[str, Any]:
    folder = Path(policy)
    model = folder if folder.is_dir() else None
    return client.data.check_file(Path(path), model=model, response_length=response_length)


def _show_report(report: dict[str, Any]) -> None:
    data_problems.show_readiness(report)
    counts, resets = report["counts"], report["resets"] or {}
    figures = [
        KeyFigure(t("pilot.pairs"), count(counts["pairs"]), ""),
        KeyFigure(t("pilot.prompts"), count(counts["prompts"]), ""),
        KeyFigure(
            t("pilot.problems"),
            count(len(report["blockers"]) + len(report["warnings"])),
            t("pilot.problems_help"),
            meaning="alarm" if report["blockers"] else "",
        ),
    ]
    if resets:
        per = resets["positions"] / max(1, resets["answers"])
        unit = t("pilot.unit_tokens" if resets["unit"] == "tokens" else "pilot.unit_words")
        figures.append(
            KeyFigure(
                t("pilot.starts"),
                count(resets["positions"]),
                t("pilot.starts_help", per=number(per), unit=unit),
                meaning="reset",
            )
        )
    show_key_figures(figures)
    if report["blockers"] or report["warnings"]:
        with st.expander(t("pilot.problems")):
            data_problems.show_problems(report)
