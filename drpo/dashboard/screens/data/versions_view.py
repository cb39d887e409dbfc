"""Saved data sets: look through them, download, compare, delete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.data import FORMATS, compare_versions, export_version
from drpo.dashboard.client.store import Dataset, store
from drpo.dashboard.components import launch_actions
from drpo.dashboard.components.notices import notice, show_problem
from drpo.dashboard.state.language import moment
from drpo.errors import DrpoError
from drpo.i18n import format, t


def show_versions() -> None:
    """Show all versions; what is ticked can be acted on."""
    st.subheader(t("data.versions"))
    every = store().datasets.all()
    if st.session_state.pop("data_deleted", False):
        notice("done", t("data.deleted"))
    if not every:
        st.caption(t("data.versions_none"))
        return
    ticked = _table(every)
    if not ticked:
        st.caption(t("data.versions_pick"))
    elif len(ticked) == 1:
        _actions(ticked[0])
    else:
        _compare(ticked[0], ticked[1])


def _table(every: Sequence[Dataset]) -> list[Dataset]:
    rows = [
        {
            "name": version.name,
            "version": version.version,
            "rows": version.rows,
            "hash": version.content_hash[:12],
            "source": version.source,
            "created": pd.Timestamp(version.created_at, unit="s", tz="UTC"),
        }
        for version in every
    ]
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        alt=t("data.versions_alt"),
        key=_table_key(every),
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "name": text(t("data.name"), width="medium"),
            "version": number(t("data.version"), width="small"),
            "rows": number(t("data.pairs")),
            "hash": text(t("data.hash")),
            "source": text(t("data.source")),
            "created": st.column_config.DatetimeColumn(t("data.created"), format=moment()),
        },
    )
    return [every[index] for index in event["selection"]["rows"] if index < len(every)]


def _table_key(every: Sequence[Dataset]) -> str:
    """A key of these rows: ticks belong to places in the table and must not outlive a change."""
    ids = ",".join(version.id for version in every)
    return f"data_versions_{hashlib.sha256(ids.encode()).hexdigest()[:12]}"


def _actions(version: Dataset) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text(f"{version.name}:{version.version}", width="content")
        form = st.selectbox(t("data.format"), FORMATS, key="data_format", width=160)
        st.download_button(
            t("data.download"),
            data=lambda: export_version(version, form),
            key="data_download",
            file_name=f"pairs-{version.id}.{form}",
            on_click="ignore",
            icon=":material/download:",
        )
        if client.access.may("launch") and st.button(t("data.launch"), key="version_launch"):
            launch_actions.launch_form_with(f"{version.name}:{version.version}")
        if client.access.may("delete"):
            with st.popover(t("data.delete")):
                if st.button(t("data.delete_sure"), key="data_delete"):
                    _delete(version)
    with st.expander(t("data.recipe")):
        st.code(json.dumps(version.recipe, indent=2, ensure_ascii=False), language="json")


def _delete(version: Dataset) -> None:
    try:
        client.data.delete_version(version.id)
    except DrpoError as error:
        show_problem(error)
        return
    st.session_state["data_deleted"] = True
    st.rerun()


def _compare(first: Dataset, second: Dataset) -> None:
    try:
        found = compare_versions(first, second)
    except DrpoError as error:
        show_problem(error)
        return
    if found["same_content"]:
        notice("note", t("data.compare_same"))
        return
    notice(
        "note",
        t(
            "data.compared",
            shared=format.count(found["shared_pairs"]),
            first=format.count(found["only_first"]),
            second=format.count(found["only_second"]),
            swapped=format.count(found["swapped_pairs"]),
            prompts=format.count(found["shared_prompts"]),
        ),
        title=f"{first.name} {first.version} / {second.name} {second.version}",
    )
