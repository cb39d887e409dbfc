"""All runs in a table, and what a person may do with those that are ticked.

Names and tags may hold anything: they go into tables, fields, choices and plain text only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.store import LIVE_STATUSES, Run, store
from drpo.dashboard.components.notices import notice, show_problem
from drpo.dashboard.components.run_choice import label
from drpo.dashboard.components.run_table import pick_runs
from drpo.dashboard.screens.compare.view import MOST, MOST_RUNS
from drpo.dashboard.state import url_state
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import count, distinct_names, size

ROUND = "shelf_round"
"""Counts what was done here: ticks belong to places in the table and must not outlive a change."""
PROBLEMS = "shelf_said"
DELETED = "shelf_deleted"
"""Runs that were deleted in this visit, in order; each can be brought back at once."""


def show_run_list(runs: Sequence[Run]) -> None:
    """Show the runs with their tools, and the deleted ones; both are folded until asked for."""
    for problem in st.session_state.pop(PROBLEMS, []):
        show_problem(problem)
    gone = {run.id: run for run in store().runs.all(archived=True, deleted=True)}
    _undo(gone)
    if runs:
        _foldable(runs)
    _deleted(gone)


def _foldable(runs: Sequence[Run]) -> None:
    url_state.recall_flag("shelf")
    # A table of all runs takes a browser a while, and who compares two seldom needs it.
    folded = st.expander(
        t("run_list.title", count=count(len(runs))), key="shelf", on_change="rerun"
    )
    url_state.record_flag("shelf", bool(folded.open))
    if folded.open:
        with folded:
            _list(runs)


def _list(runs: Sequence[Run]) -> None:
    st.caption(t("run_list.help"))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        wanted = st.text_input(
            t("run_list.search"),
            key="shelf_search",
            bind="query-params",
            type="search",
            live=True,
            width=320,
        )
        url_state.recall_flag("archived")
        archived = st.toggle(t("run_list.show_archived"), key="archived")
        url_state.record_flag("archived", archived)
    shown = [
        run
        for run in runs
        if (archived or not run.archived)
        and any(wanted.lower() in text.lower() for text in (run.name, run.id, *run.tags))
    ]
    # Above the table, although it is the table that says which are ticked.
    tools = st.container(horizontal=True, gap="small", key="shelf_tools")
    if not shown:
        st.caption(t("run_list.nothing"))
    height = min(38 + 35 * len(shown), 460)
    picked = pick_runs(shown, key=_table_key(shown), height=height) if shown else []
    most = MOST_RUNS if url_state.recall_flag("by_seed") else MOST
    _left_out(picked, most)
    with tools:
        if client.access.may("organise"):
            _tools(picked, sorted({tag for run in runs for tag in run.tags}), most)


def _table_key(runs: Sequence[Run]) -> str:
    rows = hashlib.sha256(",".join(run.id for run in runs).encode()).hexdigest()[:12]
    return f"shelf_{st.session_state.get(ROUND, 0)}_{rows}"


def _left_out(picked: Sequence[Run], most: int) -> None:
    """Say which of the ticked runs are too many to be compared."""
    if len(picked) <= most:
        return
    names = distinct_names([run.name for run in picked], [run.id for run in picked])
    sentences = [
        t("run_list.left_out", most=most, count=len(picked), names=", ".join(names[most:]))
    ]
    if most < MOST_RUNS:
        sentences.append(t("run_list.join_for_more", most=MOST_RUNS))
    notice("note", "\n".join(sentences))


def _tools(picked: Sequence[Run], tags: Sequence[str], most: int) -> None:
    ids = [run.id for run in picked]
    none = not picked
    live = any(run.status in LIVE_STATUSES for run in picked)
    st.button(
        t("run_list.compare"),
        key="shelf_compare",
        icon=":material/stacked_line_chart:",
        disabled=none,
        on_click=_compare,
        args=(ids[:most],),
    )
    _flag("pinned", "keep", picked)
    only = picked[0] if len(picked) == 1 else None
    with st.popover(
        t("run_list.rename"), icon=":material/edit:", disabled=only is None, key="shelf_rename"
    ):
        if only is not None:
            key = f"name_{only.id}"
            st.text_input(
                t("run_list.name"), only.name, max_chars=client.runs.LONGEST_NAME, key=key
            )
            st.button(
                t("run_list.save"), key="shelf_rename_save", on_click=_rename, args=(only.id, key)
            )
    with st.popover(t("run_list.tags"), icon=":material/label:", disabled=none, key="shelf_tags"):
        if picked:
            _tags(picked, tags)
    _flag("archived", "archive", picked)
    st.button(
        t("run_list.delete"),
        key="shelf_delete",
        icon=":material/delete:",
        disabled=none or live,
        help=t("run_list.delete_live") if live else t("run_list.delete_help"),
        on_click=_delete,
        args=(ids,),
    )


def _flag(column: Literal["pinned", "archived"], icon: str, picked: Sequence[Run]) -> None:
    """A button that sets a flag of all ticked runs, or clears it where all have it."""
    on = bool(picked) and all(getattr(run, column) for run in picked)
    st.button(
        t(f"run_list.un{column}" if on else f"run_list.{column}"),
        key=f"shelf_{column}",
        icon=f":material/{icon}:",
        disabled=not picked,
        on_click=_each,
        args=(
            [run.id for run in picked],
            lambda run_id: client.runs.mark(run_id, column, on=not on),
        ),
    )


def _tags(picked: Sequence[Run], known: Sequence[str]) -> None:
    """One field for the tags of all ticked runs; `known` are those in use."""
    common = [
        tag
        for tag in dict.fromkeys(tag for run in picked for tag in run.tags)
        if all(tag in run.tags for run in picked)
    ]
    key = "tags_" + "_".join(run.id for run in picked)
    st.multiselect(
        t("run_list.tags_of"),
        known,
        common,
        key=key,
        accept_new_options=True,
        help=t("run_list.tags_help"),
        placeholder=t("run_list.tags_new"),
    )
    st.button(
        t("run_list.save"),
        key="shelf_tags_save",
        on_click=_retag,
        args=([(run.id, run.tags) for run in picked], common, key),
    )


def _undo(gone: Mapping[str, Run]) -> None:
    """What was deleted in this visit, each with the way back."""
    for run_id in st.session_state.get(DELETED, []):
        if run_id not in gone:
            continue
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.text(t("run_list.gone", name=gone[run_id].name), width="content")
            st.button(
                t("run_list.undo"),
                key=f"undo_{run_id}",
                icon=":material/undo:",
                on_click=_each,
                args=([run_id], client.runs.restore),
            )


def _deleted(gone: Mapping[str, Run]) -> None:
    """All deleted runs: bring one back, or erase it for good."""
    if not gone or not client.access.may("delete"):
        return
    with st.expander(t("run_list.deleted", count=len(gone)), icon=":material/delete:"):
        st.caption(t("run_list.deleted_help"))
        names = {run.id: label(run) for run in gone.values()}
        run_id = st.selectbox(
            t("run_list.which"), list(gone), key="deleted_run", format_func=lambda key: names[key]
        )
        st.text(t("run_list.takes", size=size(client.runs.bytes_of(run_id))))
        with st.container(horizontal=True, gap="small"):
            st.button(
                t("run_list.restore"),
                key="shelf_restore",
                icon=":material/undo:",
                on_click=_each,
                args=([run_id], client.runs.restore),
            )
            if not client.access.may("erase"):
                return
            with st.popover(
                t("run_list.erase"), icon=":material/delete_forever:", key="shelf_erase"
            ):
                notice("warning", t("run_list.erase_sure"))
                st.button(
                    t("run_list.erase_now"),
                    key="shelf_erase_now",
                    on_click=_each,
                    args=([run_id], client.runs.erase),
                )


def _compare(ids: Sequence[str]) -> None:
    st.session_state["runs"] = list(ids)


def _rename(run_id: str, key: str) -> None:
    _each(
        [run_id],
        lambda run_id: client.runs.rename(run_id, st.session_state[key]),
    )


def _retag(tags_of: Sequence[tuple[str, list[str]]], common: Sequence[str], key: str) -> None:
    """What was common to the ticked runs is replaced; each keeps the tags that only it had."""
    asked = st.session_state[key]
    before = dict(tags_of)
    _each(
        list(before),
        lambda run_id: client.runs.tag(
            run_id,
            [*(own for own in before[run_id] if own not in common), *asked],
        ),
    )


def _delete(ids: Sequence[str]) -> None:
    def delete(run_id: str) -> None:
        client.runs.delete(run_id)
        kept = [known for known in st.session_state.get(DELETED, []) if known != run_id]
        st.session_state[DELETED] = [*kept, run_id]

    _each(ids, delete)


def _each(ids: Sequence[str], change: Callable[[str], None]) -> None:
    """Do something to every run; what cannot be done is said, and the rest is done."""
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1
    for run_id in ids:
        try:
            change(run_id)
        except DrpoError as error:
            st.session_state.setdefault(PROBLEMS, []).append(error)
