"""Correcting what a file's columns mean, and saving a cleaned version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.data import BY_ROW, SHAPES, Contradictions, Repeats, check_name
from drpo.dashboard.components import launch_actions, run_inputs
from drpo.dashboard.components.notices import notice, show_problem
from drpo.dashboard.screens.data import upload_view
from drpo.dashboard.state.relabel import relabel
from drpo.errors import DrpoError
from drpo.i18n import format, t

PARTS = ("prompt", "chosen", "rejected", "first", "second")
CODES = ("first_is", "second_is", "tie_is", "middle")


def mapping_form(upload: str, report: Mapping[str, Any]) -> None:
    """Let a person say which column is what, and read the file again so."""
    layout = (report.get("recognised") or {}).get("layout", {})
    columns = report.get("columns") or client.data.uploads().columns(upload)
    asked = client.data.uploads().report_options(upload)
    shapes = ["", *SHAPES]
    st.write(t("data.mapping_lead"))
    relabel("map_shape")
    with st.form("data_mapping", border=False):
        shape = st.selectbox(
            t("data.mapping_shape"),
            shapes,
            key="map_shape",
            # The form is not drawn while the file is read again, and forgets what it said.
            index=shapes.index(asked.get("shape") or ""),
            format_func=lambda name: t(f"data.shape_{name}") if name else t("data.mapping_auto"),
        )
        chosen: dict[str, str] = {}
        with st.grid(3, min_column_width=220):
            for part in PARTS:
                known = layout.get(part, "")
                options = list(dict.fromkeys([*([known] if known else []), *columns]))
                chosen[part] = (
                    st.selectbox(
                        t(f"data.mapping_{part}"),
                        options,
                        key=f"map_{part}",
                        index=options.index(known) if known else None,
                        placeholder=t("data.mapping_auto"),
                    )
                    or ""
                )
            labels = st.multiselect(
                t("data.mapping_labels"),
                columns,
                key="map_labels",
                default=[name for name in layout.get("labels", ()) if name in columns],
                placeholder=t("data.mapping_auto"),
            )
            chosen["pairs"] = _rule(report, layout.get("pairs", ""))
            for code in CODES:
                chosen[code] = st.text_input(t(f"data.mapping_{code}"), key=f"map_{code}").strip()
        if st.form_submit_button(t("data.mapping_apply"), key="map_apply"):
            # Only what was changed is given; the rest is found again around it.
            changed = {
                part: value
                for part, value in {**chosen, "labels": list(labels)}.items()
                if value and value != layout.get(part)
            }
            parts = {**asked.get("parts", {}), **changed}
            upload_view.start(upload, "check", {**asked, "parts": parts, "shape": shape})


def _rule(report: Mapping[str, Any], known: str) -> str:
    """Let a person choose which pairs are made of rated answers, by how many there would be."""
    counts = {one["rule"]: format.count(one["pairs"]) for one in report.get("pair_rules", ())}
    if not counts:
        return ""
    rules = list(dict.fromkeys([*([known] if known else []), *counts]))
    chosen = st.selectbox(
        t("data.mapping_pairs"),
        rules,
        key="map_pairs",
        format_func=lambda rule: (
            t("data.rule", rule=rule, pairs=counts[rule]) if rule in counts else rule
        ),
    )
    return chosen or ""


def model_form(upload: str) -> None:
    """Count in a model's tokens, or measure how likely it finds the answers."""
    models = run_inputs.known_inputs()["policy"]
    asked = client.data.uploads().report_options(upload)
    known = list(dict.fromkeys([*([asked["model"]] if asked.get("model") else []), *models]))
    model = st.selectbox(
        t("data.model"),
        known,
        key="data_model",
        accept_new_options=True,
        index=known.index(asked["model"]) if asked.get("model") else None,
        help=t("data.model_help"),
        placeholder=t("data.model_choose"),
        format_func=run_inputs.short_name,
    )
    with st.container(horizontal=True):
        counted = st.button(t("data.count_tokens"), key="data_count", disabled=not model)
        measured = st.button(t("data.measure"), key="data_measure", disabled=not model)
    options = {**asked, "model": model, "max_prompt_length": 512, "response_length": 53}
    if counted:
        upload_view.start(upload, "check", options)
    if measured:
        upload_view.start(upload, "coverage", options)


def save_form(upload: str, report: Mapping[str, Any]) -> None:
    """Choose what to leave out, name the set and save it."""
    st.write(t("data.fix_lead"))
    counts = {entry["kind"]: entry["count"] for entry in (*report["blockers"], *report["warnings"])}
    for key in ("save_exclude", "save_repeats", "save_conflicts"):
        relabel(key)
    with st.form("data_save", border=False):
        exclude = st.multiselect(
            t("data.exclude"),
            [kind for kind in BY_ROW if kind in counts],
            key="save_exclude",
            format_func=lambda kind: f"{t(f'data.kind_{kind}')} ({format.count(counts[kind])})",
            placeholder=t("data.exclude_none"),
        )
        with st.grid(2, min_column_width=260):
            repeats = st.selectbox(
                t("data.repeats"),
                get_args(Repeats),
                index=1,
                key="save_repeats",
                format_func=lambda how: t(f"data.repeats_{how}"),
            )
            conflicts = st.selectbox(
                t("data.conflicts"),
                get_args(Contradictions),
                key="save_conflicts",
                format_func=lambda how: t(f"data.conflicts_{how}"),
            )
        name = st.text_input(
            t("data.name"), value=_suggested(report["file"]["name"]), key="save_name", max_chars=120
        )
        if st.form_submit_button(t("data.save"), type="primary", key="save_go"):
            try:
                check_name(name)
            except DrpoError as error:
                show_problem(error)
            else:
                recipe = {
                    "exclude": list(exclude),
                    "contradictions": conflicts,
                    "repeats": repeats,
                }
                # With the model and limits of the report that named these problems.
                options = client.data.uploads().report_options(upload)
                upload_view.start(upload, "save", {**options, "recipe": recipe, "name": name})


def _suggested(name: str) -> str:
    for ending in (".gz", ".zip", ".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow"):
        name = name.removesuffix(ending)
    return name[:100]


def show_saved(upload: str) -> None:
    """Say what the last save made, and offer to launch with it."""
    saved = client.data.uploads().result(upload, "save")
    notice(
        "done",
        t(
            "data.saved",
            name=saved["name"],
            version=saved["version"],
            rows=format.count(saved["rows"]),
        ),
    )
    if st.button(t("data.launch"), key="data_launch", icon=":material/rocket_launch:"):
        launch_actions.launch_form_with(f"{saved['name']}:{saved['version']}")
