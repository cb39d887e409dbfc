"""Asking what a column's values mean: every reading with rows of the file, one click each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.data import question_text
from drpo.dashboard.screens.data import upload_view
from drpo.i18n import t


def ask(upload: str) -> None:
    """Show the readings that fit a file, the supported one first; nothing where none is asked."""
    question = client.data.uploads().question(upload)
    if not question:
        return
    st.text(t("data.ask_lead", label=question["label"]))
    for number, reading in enumerate(question["readings"]):
        with st.container(border=True):
            _reading(upload, question, reading, number)


def _reading(
    upload: str, question: Mapping[str, Any], reading: Mapping[str, Any], number: int
) -> None:
    if reading["supported"]:
        st.badge(t("data.ask_supported"), icon=":material/check:")
    # Cells of the file and column names are text that others wrote.
    for line in (
        *question_text.summary(question, reading),
        *question_text.evidence(reading),
    ):
        st.text(line)
    for row in reading["rows"]:
        st.text(question_text.row_sentence(question, row))
    said = ", ".join(
        f"{t(f'data.mapping_{name}')} {value if isinstance(value, str) else ' + '.join(value)}"
        for name, value in reading["parts"].items()
    )
    st.text(said)
    chosen = st.button(
        t("data.ask_take", number=number + 1),
        key=f"ask_{number}",
        type="primary" if reading["supported"] else "secondary",
    )
    if chosen:
        asked = client.data.uploads().options(upload, "check")
        parts = {**asked.get("parts", {}), **reading["parts"]}
        upload_view.start(upload, "check", {**asked, "parts": parts})
