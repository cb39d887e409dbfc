"""Doubtful labels on the screen: how many there are, and reading them one by one by keyboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.data import Decision, LabelDecisions, label_text
from drpo.dashboard.client.store import store
from drpo.dashboard.components import run_inputs
from drpo.dashboard.components.notices import guarded, notice
from drpo.dashboard.components.run_choice import label
from drpo.dashboard.components.sample_cards import show_cards
from drpo.dashboard.screens.data import upload_view
from drpo.i18n import format, t
from drpo.report.cards import Answer, PromptCard

SHORTCUTS: Mapping[Decision, str] = {"keep": "K", "flip": "F", "drop": "D"}
THUMBS = "<style>.st-key-label_choices button { min-height: 44px }</style>"
"""Large enough to be hit with a thumb."""
RUNS = 20


def show_labels(upload: str, report: Mapping[str, Any]) -> None:
    """Offer the check, and show what it found."""
    st.write(t("labels.lead"))
    if not report["counts"]["pairs"]:
        st.caption(t("data.no_warnings"))
        return
    done = upload_view.watch(upload, "labels")
    found = client.data.uploads().result(upload, "labels") if done else {}
    fresh = bool(found) and found["content_hash"] == report["content_hash"]
    if found and not fresh:
        notice("note", t("labels.stale"))
    if fresh:
        _figures(found)
        for sentence in label_text.sentences(found):
            st.text(sentence)  # may name a run
        _read_suspects(upload)
        with st.expander(t("labels.again")):
            _start_form(upload)
    elif client.data.uploads().status(upload, "labels").state != "running":
        _start_form(upload)


def _start_form(upload: str) -> None:
    scorers = run_inputs.known_inputs()["reward_model"]
    runs = {run.id: label(run) for run in store().runs.all(limit=RUNS)}
    judge = st.selectbox(
        t("labels.judge"),
        [*scorers, *runs],
        index=None,
        key="labels_judge",
        placeholder=t("labels.judge_text"),
        help=t("labels.judge_help"),
        format_func=lambda name: runs.get(name) or run_inputs.short_name(name),
    )
    per_fold = judge in runs and st.checkbox(t("labels.per_fold"), key="labels_per_fold")
    if st.button(t("labels.start"), key="labels_start", icon=":material/rule:"):
        asked = client.data.uploads().report_options(upload)
        upload_view.start(upload, "labels", {**asked, "judge": judge, "per_fold": per_fold})


def _figures(found: Mapping[str, Any]) -> None:
    weak = found["model"]["strength"] == "weak"
    wrong, length = found["wrong"], found["length"]
    with st.grid(3, min_column_width=180):
        st.metric(
            t("labels.wrong_short"),
            t("labels.unknown") if weak else format.share(wrong["share"]),
            help=t("labels.wrong_help", most=format.share(wrong["at_most"])),
        )
        st.metric(
            t("labels.doubted"), format.count(found["doubted"]), help=t("labels.doubted_help")
        )
        if length:
            only = format.count(length["only"])
            st.metric(t("labels.only_length"), only, help=t("labels.only_length_help"))


@st.fragment
@guarded
def _read_suspects(upload: str) -> None:
    """Show the most doubtful pair that nobody decided on, and take the decision."""
    uploads = client.data.uploads()
    suspects = uploads.result(upload, "labels").get("suspects", [])
    decided = uploads.decisions(upload)
    if not suspects:
        notice("done", t("labels.none"))
        return
    st.subheader(t("labels.read"))
    done = sum(suspect["pair"] in decided.choices for suspect in suspects)
    words = {choice: format.count(len(decided.pairs(choice))) for choice in SHORTCUTS}
    told = t(
        "labels.progress",
        done=format.count(done),
        all=format.count(len(suspects)),
        keep=words["keep"],
        flip=words["flip"],
        drop=words["drop"],
    )
    st.progress(done / len(suspects), text=told)
    suspect = next((one for one in suspects if one["pair"] not in decided.choices), None)
    if suspect is None:
        notice("done", t("labels.all_read"))
    else:
        show_cards([_card(suspect)], key="label_suspect")
    _buttons(upload, decided, suspect["pair"] if suspect else None)
    st.caption(t("labels.keys"))


def _buttons(upload: str, decided: LabelDecisions, pair: int | None) -> None:
    """Let a pair's label be kept, turned around or dropped; None where all are read."""
    st.html(THUMBS)  # a constant of this module, no text of anybody
    with st.container(horizontal=True, key="label_choices"):
        for choice, shortcut in SHORTCUTS.items() if pair is not None else ():
            st.button(
                t(f"labels.press_{choice}"),
                key=f"label_{choice}",
                shortcut=shortcut,
                on_click=client.data.decide_label,
                args=(upload, pair, choice),
            )
        st.button(
            t("labels.undo"),
            key="label_undo",
            shortcut="U",
            type="tertiary",
            icon=":material/undo:",
            on_click=client.data.undo_label,
            args=(upload,),
            disabled=not decided.choices,
        )


def _card(suspect: Mapping[str, Any]) -> PromptCard:
    answers = [
        Answer(id="chosen", title=t("labels.better"), response=suspect["chosen"], from_data=True),
        Answer(
            id="rejected", title=t("labels.worse"), response=suspect["rejected"], from_data=True
        ),
    ]
    title = label_text.suspect_title(suspect)
    # A card of its own for each pair, so that nothing opened in one stays open in the next.
    return PromptCard(
        id=str(suspect["pair"]), title=title, prompt=suspect["prompt"].strip(), answers=answers
    )
