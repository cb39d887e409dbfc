"""What a person can ask of a run on the screen: stop, pause, go on, turn a knob."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from drpo import orders
from drpo.config import RunConfig
from drpo.dashboard import forms, services
from drpo.dashboard.charts import Source
from drpo.dashboard.notices import show_problem
from drpo.dashboard.words import t
from drpo.errors import DrpoError
from drpo.store import Store
from drpo.store.schema import Run


def visitor() -> str:
    """Who turns the knobs: the signed-in person, else whoever sits at this screen."""
    return str(st.user.get("email") or t("live.someone", lang="en"))


def controls(run: Run, source: Source, *, key: str) -> None:
    """Show the buttons that make sense for the run as it is now.

    Args:
        run: The run.
        source: Its metrics, for the knobs' present values.
        key: What sets these buttons apart from those of another run on the same screen.
    """
    store = services.store()
    with st.container(horizontal=True, gap="small", key=f"controls_{key}", width="content"):
        if run.status == "running":
            _button("pause", "pause", key, run, orders.pause)
        if run.status == "paused":
            _button("go_on", "play_arrow", key, run, orders.resume)
        if run.status in ("queued", "running", "paused"):
            _button("stop", "stop", key, run, orders.stop)
        if run.status in ("running", "paused"):
            with st.popover(t("live.knobs"), icon=":material/tune:", key=f"knobs_{key}"):
                _knobs(store, run, source, key)
        if run.status in orders.RESUMABLE and has_checkpoint(run):
            _button("resume", "resume", key, run, orders.resume)
    for said in st.session_state.pop(f"said_{key}", []):
        show_problem(said)


def has_checkpoint(run: Run) -> bool:
    """Whether there is anything to go on from; a run that failed at once has nothing."""
    return run.step > 0 or run.status in ("stopped", "interrupted")


def _button(
    word: str, icon: str, key: str, run: Run, order: Callable[[Store, str, str], object]
) -> None:
    st.button(
        t(f"live.{word}"),
        icon=f":material/{icon}:",
        key=f"{word}_{key}",
        help=t(f"live.{word}_help"),
        on_click=_ask,
        args=(key, run.id, order),
    )


def _ask(key: str, run_id: str, order: Callable[[Store, str, str], object]) -> None:
    try:
        order(services.store(), run_id, visitor())
    except DrpoError as error:
        # The run may have ended between the drawing of the button and the click.
        st.session_state[f"said_{key}"] = [error]


def _knobs(store: Store, run: Run, source: Source, key: str) -> None:
    st.caption(t("live.knobs_help"))
    config = RunConfig.from_nested(run.config)
    values = {}
    for name, metric in (("kl_coef", "objective/kl_coef"), ("reset_prob", "reset/prob")):
        now = source.get(metric).last
        start = float(config.flat()[name]) if now is None else round(now, 6)
        values[name] = forms.knob(name, start, key=f"{name}_{key}")
    if st.button(t("live.apply"), type="primary", key=f"apply_{key}", icon=":material/check:"):
        try:
            orders.turn(store, run.id, values, visitor())
        except DrpoError as error:
            show_problem(error)
        else:
            st.toast(t("live.applied"), icon=":material/tune:")
