"""The reviewer's part of the review screen: the blind item and the keys.

Before the vote the page is given a prompt and two texts, nothing else: no names of runs, no scores.
"""

from __future__ import annotations

import time

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.review import REASONS, BlindItem, Pressed, ReviewSession
from drpo.dashboard.components.notices import guarded, notice, show_problem
from drpo.dashboard.components.sample_cards import markdown_switch, show_cards
from drpo.dashboard.state.relabel import relabel
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import count
from drpo.report.cards import Answer, PromptCard

SHORTCUTS: dict[Pressed, str] = {
    "left": "A",
    "right": "B",
    "tie": "T",
    "both_bad": "X",
    "skip": "S",
}
THUMBS = "<style>.st-key-choices button { min-height: 44px }</style>"
"""Large enough to be hit with a thumb."""
_SINCE = "review@since"
_PROBLEM = "review@problem"


@st.fragment
@guarded
def vote(review_id: str, name: str) -> None:
    """Show the next item and take the vote."""
    session = client.review.session(review_id, name)
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        show_problem(problem)
    progress = session.progress()
    progress_text = t(
        "review.progress",
        done=count(progress.judged),
        total=count(progress.total),
        skipped=count(progress.skipped),
    )
    st.progress(progress.judged / progress.total, text=progress_text)
    item = session.next()
    if item is None and (item := session.skipped()) is not None:
        st.caption(t("review.back_to_skipped"))
    if item is None:
        notice("done", t("review.done"))
        _undo(review_id, session)
        return
    if st.session_state.get(_SINCE, ("", 0.0))[0] != item.item:
        st.session_state[_SINCE] = (item.item, time.monotonic())
    _show(item, session.number(item.item))
    _buttons(review_id, session, item)


def _show(item: BlindItem, number: int) -> None:
    answers = [
        Answer(id="left", title=t("review.answer_left"), response=item.left),
        Answer(id="right", title=t("review.answer_right"), response=item.right),
    ]
    title = t("review.prompt_number", number=count(number))
    # A card of its own for each item, so that nothing opened in one stays open in the next.
    card = PromptCard(id=item.item, title=title, prompt=item.prompt.strip(), answers=answers)
    markdown_switch()
    show_cards([card], key="blind")


def _buttons(review_id: str, session: ReviewSession, item: BlindItem) -> None:
    st.html(THUMBS)
    with st.container(horizontal=True, key="choices"):
        for pressed, shortcut in SHORTCUTS.items():
            st.button(
                t(f"review.press_{pressed}"),
                key=f"press_{pressed}",
                shortcut=shortcut,
                on_click=_cast,
                args=(review_id, session.reviewer, item.item, pressed),
                type="tertiary" if pressed == "skip" else "secondary",
            )
        _undo(review_id, session)
    relabel("reasons")
    st.pills(
        t("review.reasons"),
        REASONS,
        key="reasons",
        selection_mode="multi",
        format_func=lambda tag: t(f"review.reason_{tag}"),
    )
    st.caption(t("review.keys"))


def _undo(review_id: str, session: ReviewSession) -> None:
    st.button(
        t("review.undo"),
        key="undo",
        shortcut="U",
        type="tertiary",
        icon=":material/undo:",
        on_click=client.review.undo,
        args=(review_id, session.reviewer),
        disabled=session.progress().left == session.progress().total,
    )


def _cast(review_id: str, reviewer: str, item_id: str, pressed: Pressed) -> None:
    seen, since = st.session_state.get(_SINCE, ("", 0.0))
    seconds = time.monotonic() - since if seen == item_id else 0.0
    reasons = st.session_state.get("reasons") or []
    try:
        client.review.vote(review_id, reviewer, item_id, pressed, reasons=reasons, seconds=seconds)
    except DrpoError as error:
        st.session_state[_PROBLEM] = error
    st.session_state["reasons"] = []
