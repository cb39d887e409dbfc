"""Drawing a new review: which answers meet, how many items, how many of them twice."""

from __future__ import annotations

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.review import ReviewSource
from drpo.dashboard.client.store import Run, store
from drpo.dashboard.components.notices import show_problem
from drpo.dashboard.components.run_choice import label
from drpo.dashboard.state.relabel import relabel
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import count


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


def new_review_form(runs: list[Run]) -> str | None:
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
        name = st.text_input(t("review.name"), key="new_review_name", max_chars=100)
        left, right = st.columns(2)
        items = left.number_input(
            t("review.items"), 1, 1000, min(pairs, 100), help=t("review.items_help")
        )
        repeats = right.number_input(
            t("review.repeats"), 0, 100, min(pairs // 10, 10), help=t("review.repeats_help")
        )
        if not st.form_submit_button(t("review.create"), type="primary", key="draw_review"):
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
