"""What of the reviews is looked at: one to vote in, its result, or a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.access import Action
from drpo.dashboard.client.review import Review
from drpo.dashboard.components.trash import offer_restore
from drpo.dashboard.state import url_state
from drpo.i18n import t

VIEWS = ("judge", "result", "new")
_DRAWN = "review@drawn"
"""In the session: a review that was drawn just now, to be opened."""


def views() -> tuple[str, ...]:
    """What of the reviews the visitor may look at."""
    asked: dict[str, Action] = {"judge": "review", "result": "look", "new": "draw"}
    return tuple(name for name in VIEWS if client.access.may(asked[name]))


def about(known: Mapping[str, Review], asked: Sequence[str]) -> list[str]:
    """The reviews that a link to a run can mean, newest first; all where it names none."""
    return [
        review.id
        for review in known.values()
        if not asked or any(source.run_id in asked for source in review.sources)
    ]


def choose_view(known: Mapping[str, Review], asked: Sequence[str]) -> str:
    """Choose what is looked at.

    Args:
        known: All reviews, newest first.
        asked: The runs that a link names; then it is the newest review of theirs, or a new one.
    """
    offered = views()
    meant = about(known, asked)
    first = "judge" if meant else "new"
    first = first if first in offered else offered[0]
    if asked and not url_state.names_any("view", "review"):
        # Whatever was looked at here before, this link has just been followed.
        st.session_state["view"] = first
        st.session_state["review"] = next(iter(meant), None)
    drawn = st.session_state.pop(_DRAWN, None)
    if drawn in known:
        st.session_state["view"], st.session_state["review"] = "judge", drawn
    if len(offered) == 1:
        return first
    url_state.recall("view", offered, first)
    view = st.segmented_control(
        t("review.view"),
        offered,
        key="view",
        required=True,
        label_visibility="collapsed",
        format_func=lambda name: t(f"review.view_{name}"),
    )
    # Beside a run it is always said: without it, the link stands for what the run has.
    url_state.record("view", str(view), "" if asked else "judge")
    return str(view)


def open_new(review_id: str) -> None:
    """Go on to a review that was drawn just now."""
    st.session_state[_DRAWN] = review_id
    st.rerun()


def choose_review(known: Mapping[str, Review], asked: Sequence[str]) -> Review:
    """Choose a review; of the runs that a link names first."""
    ids = list(known)
    url_state.recall("review", ids, (about(known, asked) or ids)[0])
    # Streamlit knows an option by its label: of two reviews of one name it would take the last.
    names = {review.id: f"{review.name} · {review.id[-6:]}" for review in known.values()}
    chosen = st.selectbox(
        t("review.which"), ids, key="review", format_func=lambda review_id: names[review_id]
    )
    url_state.record("review", chosen)
    return known[chosen]


def show_deleted() -> None:
    """Show the deleted reviews, with the way back."""
    gone = {one.id: f"{one.name} · {one.id[-6:]}" for one in client.review.every(deleted=True)}
    offer_restore("review", gone, client.review.restore)


def ask_reviewer() -> str:
    """Ask who is judging; the answer is in the URL. Whoever signed in is not asked."""
    if known := client.review.reviewer_here():
        return known
    name = st.text_input(
        t("review.reviewer"),
        key="reviewer",
        bind="query-params",
        max_chars=64,
        help=t("review.reviewer_help"),
    )
    return name.strip()
