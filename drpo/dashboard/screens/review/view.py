"""The reviewer's part of the review screen: the blind item, the keys, and drawing a review.

Before the vote the page is given a prompt and two texts, nothing else: no names of runs, no scores.
"""

from __future__ import annotations

import time

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.review import REASONS, BlindItem, Pressed, ReviewSession, ReviewSource
from drpo.dashboard.client.store import Run, store
from drpo.dashboard.components.notices import guarded, notice, show_problem
from drpo.dashboard.components.run_choice import label
from drpo.dashboard.components.sample_cards import show_answers
from drpo.dashboard.state.relabel import relabel
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import count
from drpo.report.cards import Answer, Card

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


def reviewer() -> str:
    """Ask who is judging; the answer is in the URL."""
    name = st.text_input(
        t("review.reviewer"),
        key="reviewer",
        bind="query-params",
        max_chars=64,
        help=t("review.reviewer_help"),
    )
    return name.strip()


@st.fragment
@guarded
def judge(review_id: str, name: str) -> None:
    """Show the next item and take the vote."""
    desk = client.review.session(review_id, name)
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        show_problem(problem)
    progress = desk.progress()
    told = t(
        "review.progress",
        done=count(progress.judged),
        total=count(progress.total),
        skipped=count(progress.skipped),
    )
    st.progress(progress.judged / progress.total, text=told)
    item = desk.next()
    if item is None and (item := desk.skipped()) is not None:
        st.caption(t("review.back_to_skipped"))
    if item is None:
        notice("done", t("review.done"))
        _undo(desk)
        return
    if st.session_state.get(_SINCE, ("", 0.0))[0] != item.item:
        st.session_state[_SINCE] = (item.item, time.monotonic())
    _show(item, desk.number(item.item))
    _buttons(desk, item)


def _show(item: BlindItem, number: int) -> None:
    answers = [
        Answer(id="left", title=t("review.answer_left"), response=item.left),
        Answer(id="right", title=t("review.answer_right"), response=item.right),
    ]
    title = t("review.prompt_number", number=count(number))
    # A card of its own for each item, so that nothing opened in one stays open in the next.
    card = Card(id=item.item, title=title, prompt=item.prompt.strip(), answers=answers)
    show_answers([card], key="blind")


def _buttons(desk: ReviewSession, item: BlindItem) -> None:
    st.html(THUMBS)
    with st.container(horizontal=True, key="choices"):
        for pressed, shortcut in SHORTCUTS.items():
            st.button(
                t(f"review.press_{pressed}"),
                key=f"press_{pressed}",
                shortcut=shortcut,
                on_click=_vote,
                args=(desk, item.item, pressed),
                type="tertiary" if pressed == "skip" else "secondary",
            )
        _undo(desk)
    relabel("reasons")
    st.pills(
        t("review.reasons"),
        REASONS,
        key="reasons",
        selection_mode="multi",
        format_func=lambda tag: t(f"review.reason_{tag}"),
    )
    st.caption(t("review.keys"))


def _undo(desk: ReviewSession) -> None:
    st.button(
        t("review.undo"),
        key="undo",
        shortcut="U",
        type="tertiary",
        icon=":material/undo:",
        on_click=_take_back,
        args=(desk,),
        disabled=desk.progress().left == desk.progress().total,
    )


def _take_back(desk: ReviewSession) -> None:
    desk.undo()


def _vote(desk: ReviewSession, item_id: str, pressed: Pressed) -> None:
    seen, since = st.session_state.get(_SINCE, ("", 0.0))
    seconds = time.monotonic() - since if seen == item_id else 0.0
    reasons = st.session_state.get("reasons") or []
    try:
        desk.vote(item_id, pressed, reasons=reasons, seconds=seconds)
    except DrpoError as error:
        st.session_state[_PROBLEM] = error
    st.session_state["reasons"] = []


def sources_of(run: Run) -> list[ReviewSource]:
    """What of a run can be judged: its last answers, its first, the data's."""
    steps = store().samples.steps(run.id)
    if not steps:
        return []
    name = label(run)
    newest = t("review.source_step", name=name, step=count(steps[-1]))
    found = [ReviewSource(newest, run.id, steps[-1])]
    if len(steps) > 1:
        found.append(ReviewSource(t("review.source_start", name=name), run.id, steps[0]))
    chosen = t("review.source_chosen", name=name)
    return [*found, ReviewSource(chosen, run.id, steps[-1], answers="chosen")]


def draw_form(runs: list[Run]) -> str | None:
    """Let a person draw a review; returns its id once it is drawn."""
    options = {source.key: source for run in runs for source in sources_of(run)}
    if len(options) < 2:
        st.write(t("review.no_answers"))
        return None
    st.write(t("review.new_lead"))
    keys = list(options)
    # The start policy first: it is the one the others are ranked against.
    st.session_state.setdefault("sources", keys[1::-1])
    relabel("sources")
    chosen = st.multiselect(
        t("review.sources"),
        keys,
        key="sources",
        help=t("review.sources_help"),
        format_func=lambda key: options[key].label,
    )
    sources = [options[key] for key in chosen]
    shared = _shared(sources)
    st.caption(t("review.common", count=count(shared)))
    pairs = max(1, shared * len(sources) * (len(sources) - 1) // 2)
    with st.form("draw", border=False):
        name = st.text_input(t("review.name"), max_chars=100)
        left, right = st.columns(2)
        items = left.number_input(
            t("review.items"), 1, 1000, min(pairs, 100), help=t("review.items_help")
        )
        repeats = right.number_input(
            t("review.repeats"), 0, 100, min(pairs // 10, 10), help=t("review.repeats_help")
        )
        if not st.form_submit_button(t("review.create"), type="primary"):
            return None
    try:
        review = client.review.create(name, sources, items=int(items), repeats=int(repeats))
    except DrpoError as error:
        show_problem(error)
        return None
    return review.id


def _shared(sources: list[ReviewSource]) -> int:
    """How many prompts all sources answered."""
    if not sources:
        return 0
    return len(set.intersection(*map(client.review.prompts_of, sources)))
