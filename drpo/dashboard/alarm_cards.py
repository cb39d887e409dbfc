"""Alarms of a run as cards: what happened, why it matters, what to try, and the choices."""

from __future__ import annotations

import streamlit as st

from drpo import orders
from drpo.dashboard import event_words, services
from drpo.dashboard.answers import show_answers
from drpo.dashboard.frames import is_live
from drpo.dashboard.generations import card
from drpo.dashboard.notices import notice, show_problem
from drpo.dashboard.run_controls import visitor
from drpo.dashboard.words import language, t
from drpo.errors import DrpoError
from drpo.monitor.alarms import Choice
from drpo.monitor.desk import Raised, alarms_of, decide
from drpo.store.schema import Run


def alarms(run: Run) -> None:
    """Show the alarms nobody has decided about yet; decided ones fold away."""
    raised = alarms_of(services.store(), run.id)
    still_open = [one for one in raised if one.decision is None]
    for one in still_open:
        _card(run, one)
    decided = [one for one in raised if one.decision is not None]
    if decided:
        with st.expander(t("live.decided", count=len(decided))):
            for one in decided:
                st.text(
                    t(
                        "events.decided", alarm=one.alarm.say("title", language()),
                        choice=event_words.decision(one.decision or {}),
                    )
                )  # fmt: skip


def _card(run: Run, one: Raised) -> None:
    alarm = one.alarm
    with st.container(border=True, key=f"alarm_{one.event_id}"):
        times = t(
            "live.alarm_seen", first=alarm.first_step, last=alarm.last_step, count=alarm.count
        )
        notice(
            "warning", f"{alarm.say('what', language())} {times}",
            title=alarm.say("title", language()),
        )  # fmt: skip
        st.text(alarm.say("why", language()))
        st.text(alarm.say("try", language()))
        _evidence(run, one)
        with st.container(horizontal=True):
            for number, choice in enumerate(alarm.choices):
                if not _is_possible(run, choice):
                    continue
                word = t(f"live.choice_{choice.kind}", knob=choice.knob, value=choice.value)
                if st.button(word, key=f"alarm_{one.event_id}_{number}"):
                    _decide(run, one, choice.kind, choice.knob, choice.value)


def _is_possible(run: Run, choice: Choice) -> bool:
    """Whether a run can still do what a choice asks for."""
    if choice.kind == "ignore":
        return True
    if choice.kind == "knob" and choice.knob not in orders.knobs_of(run):
        return False
    return is_live(run) and orders.can_pause(run)


def _evidence(run: Run, one: Raised) -> None:
    """The answers that show what the alarm says; read from the store only when asked for."""
    shown = one.alarm.evidence
    if not shown or not st.toggle(
        t("live.alarm_evidence", count=len(shown)), key=f"evidence_{one.event_id}"
    ):
        return
    at = services.store().samples.at
    rows = [
        row for place in shown for row in at(run.id, place.step, place.kind)
        if (row.item, row.start) == (place.item, place.start)
    ]  # fmt: skip
    show_answers(
        [card(row.item, [(row, "")], with_data=True) for row in rows],
        key=f"evidence_answers_{one.event_id}",
    )


def _decide(run: Run, one: Raised, kind: str, knob: str, value: float | None) -> None:
    try:
        decide(services.store(), run.id, one.event_id, kind, who=visitor(), knob=knob, value=value)
    except DrpoError as error:
        show_problem(error)
    else:
        st.rerun(scope="fragment")
