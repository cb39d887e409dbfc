"""What a person can ask of a run on the screen: stop, pause, go on, change a setting."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from drpo.charts.figures import RunSeries
from drpo.dashboard import client
from drpo.dashboard.client.access import Action
from drpo.dashboard.client.store import Run
from drpo.dashboard.components.live_settings import live_settings
from drpo.dashboard.components.notices import show_problem
from drpo.dashboard.components.resume_with import diverged, resume_with
from drpo.errors import DrpoError
from drpo.i18n import t

_ASKED: dict[str, Action] = {
    "pause": "pause",
    "go_on": "resume",
    "stop": "stop",
    "resume": "resume",
}


def visitor() -> str:
    """Who changes the settings: the signed-in person, else whoever sits at this screen."""
    return client.access.visitor(t("live.someone", lang="en"))


def run_controls(run: Run, source: RunSeries, *, key: str) -> None:
    """Show the buttons that make sense for the run as it is now.

    Args:
        run: The run.
        source: Its metrics, for the settings' present values.
        key: What sets these buttons apart from those of another run on the same screen.
    """
    with st.container(horizontal=True, gap="small", key=f"controls_{key}", width="content"):
        if run.status == "running" and client.runs.can_pause(run):
            _button("pause", "pause", key, run, client.runs.pause)
        if run.status == "paused":
            _button("go_on", "play_arrow", key, run, client.runs.resume)
        if run.status in ("queued", "running", "paused"):
            _button("stop", "stop", key, run, client.runs.stop)
        if (
            run.status in ("running", "paused")
            and client.runs.live_settings(run)
            and client.access.may("settings")
        ):
            with st.popover(
                t("live.live_settings"), icon=":material/tune:", key=f"live_settings_{key}"
            ):
                live_settings(run, source, visitor(), key=key)
        if run.status in client.runs.RESUMABLE and has_checkpoint(run):
            _button("resume", "resume", key, run, client.runs.resume)
        if (
            run.status in client.runs.RESUMABLE
            and (has_checkpoint(run) or diverged(run))
            and client.access.may("resume")
        ):
            resume_with(run, source, visitor(), key=key)
    for problem in st.session_state.pop(f"said_{key}", []):
        show_problem(problem)


def has_checkpoint(run: Run) -> bool:
    """Whether there is anything to go on from; a run that failed at once has nothing."""
    return run.step > 0 or run.status in ("stopped", "interrupted")


def _button(word: str, icon: str, key: str, run: Run, order: Callable[[str, str], object]) -> None:
    if not client.access.may(_ASKED[word]):
        return
    st.button(
        t(f"live.{word}"),
        icon=f":material/{icon}:",
        key=f"{word}_{key}",
        help=t(f"live.{word}_help"),
        on_click=_ask,
        args=(key, run.id, order),
    )


def _ask(key: str, run_id: str, order: Callable[[str, str], object]) -> None:
    try:
        order(run_id, visitor())
    except DrpoError as error:
        # The run may have ended between the drawing of the button and the click.
        st.session_state[f"said_{key}"] = [error]
