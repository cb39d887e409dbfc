"""Bringing a file and watching what is done to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.data import Task
from drpo.dashboard.components.notices import guarded, notice, show_problem
from drpo.dashboard.state import url_state
from drpo.errors import DrpoError
from drpo.i18n import format, t

ENDINGS = [
    "jsonl",
    "ndjson",
    "json",
    "csv",
    "tsv",
    "txt",
    "parquet",
    "arrow",
    "feather",
    "gz",
    "zip",
]
UPLOAD = "upload"
"""The upload's id in the URL."""


def current() -> str | None:
    """The upload that the URL names, if it is still here."""
    asked = url_state.asked(UPLOAD)
    if asked and not client.data.uploads().exists(asked):
        notice("note", t("data.gone"))
        return None
    return asked or None


def choose_file() -> None:
    """Take an upload or a sample set; either becomes the URL's upload and is checked at once."""
    if not client.access.may("upload"):
        st.caption(t("access.no_upload"))
        return
    most = client.access.my_limits().upload_mb
    with st.grid(2, min_column_width=300):
        with st.container():
            brought = st.file_uploader(
                t("data.upload"),
                type=ENDINGS,
                key="data_file",
                help=t("data.upload_help"),
                max_upload_size=max(1, int(min(50, most or 50))),
            )
        with st.container():
            files = sample_files()
            chosen = st.selectbox(
                t("data.sample"),
                list(files),
                index=None,
                key="data_sample",
                placeholder=t("data.sample_choose"),
            )
            if st.button(t("data.sample_take"), key="data_take", disabled=chosen is None):
                _take(lambda: client.data.take_file(files[str(chosen)]))
    if brought is not None and st.session_state.get("data_taken") != brought.file_id:
        st.session_state["data_taken"] = brought.file_id
        _take(lambda: client.data.upload(brought.name, brought.getvalue()))


def sample_files() -> dict[str, Path]:
    """The sample sets by name."""
    folder = client.runs.SAMPLES / "files"
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path
        for path in found
        if not path.name.endswith((".gold.json", ".md"))
    }


def _take(add: Any) -> None:  # noqa: ANN401 - a function that returns the new upload's id
    try:
        upload = add()
        client.data.start_task(upload, "check", {})
    except DrpoError as error:
        show_problem(error)
        return
    url_state.ask(UPLOAD, upload)
    st.rerun()


def start(upload: str, task: Task, options: Mapping[str, Any]) -> None:
    """Start a task and show the screen anew, which then watches it."""
    try:
        client.data.start_task(upload, task, options)
    except DrpoError as error:
        show_problem(error)
        return
    st.rerun()


def watch(upload: str, task: Task) -> bool:
    """Show how a task stands; say whether its result is there.

    While it runs, the progress renews itself and the screen is shown anew at its end.
    """
    status = client.data.uploads().status(upload, task)
    if status.state == "running":
        _progress(upload, task)
    elif status.state == "stopped":
        notice("note", t("data.stopped"))
    elif status.state == "failed":
        question = client.data.uploads().question(upload) if task == "check" else {}
        said = client.data.question_text.opening(question) if question else status.error
        notice("problem", t("data.bug") if status.kind == "bug" else said)
    if status.state in ("stopped", "failed") and st.button(t("data.again"), key=f"again_{task}"):
        start(upload, task, client.data.uploads().options(upload, task))
    return status.state == "done"


@st.fragment(run_every=1)
@guarded
def _progress(upload: str, task: Task) -> None:
    status = client.data.uploads().status(upload, task)
    if status.state != "running":
        st.rerun()
    stage = t(f"data.stage_{status.stage or 'start'}")
    if status.total:
        words = t(
            "data.progress",
            stage=stage,
            done=format.count(status.done),
            total=format.count(status.total),
        )
    elif status.done:
        words = t("data.progress_open", stage=stage, done=format.count(status.done))
    else:
        words = stage
    share = min(1.0, status.done / status.total) if status.total else 0.0
    st.progress(share, text=f"{words} · {t('data.elapsed', time=format.duration(status.seconds))}")
    if st.button(t("data.stop"), key=f"stop_{task}", icon=":material/stop:"):
        client.data.stop_task(upload, task)
        st.rerun()
