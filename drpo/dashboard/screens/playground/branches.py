"""What the playground wrote, continued from any of its tokens by the checkpoint that wrote it."""

from __future__ import annotations

import streamlit as st

from drpo.dashboard.client.playground import sources_of
from drpo.dashboard.client.store import store
from drpo.dashboard.components.branches.job import Branchable
from drpo.dashboard.components.branches.view import show_branches
from drpo.dashboard.components.run_choice import label
from drpo.dashboard.screens.playground.session import GeneratedAnswer, Generation
from drpo.dashboard.screens.playground.view import SHOWN
from drpo.i18n import t


def show() -> None:
    """Offer the answers of the generation that is shown, once they are written."""
    here: Generation | None = st.session_state.get(SHOWN)
    if here is None or here.live:
        return
    answers = [found for one in here.answers if (found := _branchable(here, one)) is not None]
    if answers:
        show_branches(answers)


def _branchable(here: Generation, one: GeneratedAnswer) -> Branchable | None:
    """The answer with what wrote it; None where nothing was written or the run is gone."""
    if not one.text or not store().runs.exists(one.run):
        return None
    run = store().runs.get(one.run)
    source = next((found for found in sources_of(run) if found.step == one.step), None)
    if source is None:
        return None
    word = "playground.source_start" if one.step < 0 else "playground.source_step"
    name = t(word, run=label(run), step=one.step)
    return Branchable(
        one.source,
        name,
        source,
        name,
        here.prompt,
        one.text,
        len(one.given) + here.sampling.max_tokens,
        # As the run draws: greedy continuations would all be one.
        float(run.config["sampling"]["temperature"]),
    )
