"""Train from here: a continuation becomes a demonstration that runs can reset into."""

from __future__ import annotations

import streamlit as st

from drpo.dashboard.client import data
from drpo.dashboard.components.branches.job import Branchable, Branches
from drpo.dashboard.components.notices import notice, show_problem
from drpo.dashboard.state.relabel import relabel
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import number

WHICH, NAME = "branch_which", "branch_set"


def offer(one: Branchable, here: Branches, place: int) -> None:
    """Let the visitor keep one of a position's continuations, with what stands before it.

    Args:
        one: The answer.
        here: What was drawn for it.
        place: The position.
    """
    several = here.drawn[place]

    def called(index: int) -> str:
        found = several[index]
        outcome = found.score if found.gold is None else found.gold
        if outcome is None:
            return t("branches.continuation_bare", number=index + 1)
        return t("branches.continuation", number=index + 1, outcome=number(outcome))

    def outcome_of(index: int) -> float:
        found = several[index].score if several[index].gold is None else several[index].gold
        return float("-inf") if found is None else found

    best = max(range(len(several)), key=outcome_of)
    sets = data.demonstration_sets()
    relabel(f"{WHICH}_{place}")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        which = st.selectbox(
            t("branches.which"),
            range(len(several)),
            index=best,
            key=f"{WHICH}_{place}",
            format_func=called,
        )
        name = st.selectbox(
            t("branches.set"),
            sets,
            index=0 if sets else None,
            key=NAME,
            accept_new_options=True,
            placeholder=t("branches.set_new"),
            help=t("branches.set_help"),
        )
        pressed = st.button(
            t("branches.keep"), key="branch_keep", icon=":material/school:", disabled=not name
        )
    if not pressed or not name or which is None:
        return
    answer = "".join(here.tokens[:place]) + several[which].text
    source = t("branches.kept_from", source=one.source_name, place=place)
    try:
        kept = data.add_demonstration(name, one.prompt, answer, facts=here.facts, source=source)
    except DrpoError as error:
        show_problem(error)
    else:
        notice(
            "done",
            t("branches.kept", name=kept.name, version=kept.version, rows=kept.rows),
        )
