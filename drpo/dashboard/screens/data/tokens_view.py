"""Rows exactly as a model reads them: where an answer ends, what is cut, what a reset may keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.config import leaves
from drpo.dashboard.components import forms, run_inputs
from drpo.dashboard.components.token_rows import show_token_rows
from drpo.dashboard.screens.data import upload_view
from drpo.i18n import format, t

ANSWERS = ("chosen", "rejected")


def show_tokens(upload: str, report: Mapping[str, Any]) -> None:
    """Offer to read the rows as a model does, and show what it reads."""
    st.subheader(t("tokens.title"))
    st.write(t("tokens.lead"))
    if not report["counts"]["pairs"]:
        st.caption(t("data.no_warnings"))
        return
    _form(upload)
    if upload_view.watch(upload, "rows"):
        found = client.data.uploads().result(upload, "rows")
        for sentence in client.data.token_text.sentences(found):
            st.text(sentence)  # names a model and its tokens
        _show(found)


def _form(upload: str) -> None:
    asked = client.data.uploads().report_options(upload)
    known = run_inputs.known_inputs()["policy"]
    before = client.data.uploads().options(upload, "rows")
    model = before.get("model") or asked.get("model")
    offered = list(dict.fromkeys([*([model] if model else []), *known]))
    with st.grid(3, min_column_width=220):
        chosen = st.selectbox(
            t("data.model"),
            offered,
            key="tokens_model",
            accept_new_options=True,
            index=offered.index(model) if model else None,
            placeholder=t("data.model_choose"),
            format_func=run_inputs.short_name,
        )
        plain = leaves()["response_length"][1].default
        length = st.number_input(
            t("tokens.response_length"),
            min_value=1,
            value=before.get("response_length", plain),
            key="tokens_length",
        )
        reads = forms.field(
            "prompt_format", before.get("prompt_format", "auto"), key="tokens_format"
        )
    if st.button(t("tokens.show"), key="tokens_show", disabled=not chosen):
        options = {**asked, "model": chosen, "response_length": int(length), "prompt_format": reads}
        upload_view.start(upload, "rows", options)


def _show(found: Mapping[str, Any]) -> None:
    rows = [
        {
            "title": t("tokens.row", row=row["row"]),
            "texts": [
                {
                    "title": t("tokens.prompt", tokens=format.count(row["prompt_tokens"])),
                    "note": "",
                    "parts": row["prompt"],
                },
                *(_answer(name, row[name]) for name in ANSWERS),
            ],
        }
        for row in found["rows"]
    ]
    show_token_rows(rows, key="token_rows")


def _answer(name: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": t(f"tokens.{name}", tokens=format.count(answer["tokens"])),
        "note": client.data.token_text.note(answer),
        "parts": answer["parts"],
    }
