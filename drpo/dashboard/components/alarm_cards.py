"""Alarms of a run as cards: what happened, why it matters, what to try, and the choices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace

import streamlit as st

from drpo.dashboard import client, navigation
from drpo.dashboard.client.alarms import Choice, Evidence, Raised
from drpo.dashboard.client.runs import event_words
from drpo.dashboard.client.store import Run
from drpo.dashboard.components.generations import card
from drpo.dashboard.components.notices import notice, show_problem
from drpo.dashboard.components.run_controls import visitor
from drpo.dashboard.components.sample_cards import show_cards
from drpo.dashboard.state import url_state
from drpo.dashboard.state.metric_series import is_live, look_again
from drpo.dashboard.state.shared import shared
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.report.cards import PromptCard


def open_alarms(run: Run) -> list[Raised]:
    """The alarms of a run that nobody has decided about yet, newest first."""
    return [one for one in client.alarms.alarms_of(run.id) if one.decision is None]


def link_to_alarms(run: Run) -> None:
    """Say on another screen that a run has open alarms, with the way to them."""
    still_open = open_alarms(run)
    if not still_open:
        return
    with st.container(key=f"call_{run.id}", gap="xsmall"):
        notice(
            "warning",
            ", ".join(_title(one, "") for one in still_open),
            title=f"{run.name} · {t('live.alarms_open', count=len(still_open))}",
        )
        st.page_link(
            navigation.path("live"),
            label=t("live.alarms_open_link"),
            icon=":material/monitoring:",
            query_params={"run": run.id},
        )


def show_alarms(run: Run, name: str = "", *, version: Hashable = None) -> None:
    """Show the alarms nobody has decided about yet; decided ones fold away.

    Args:
        run: Whose.
        name: What to call the run where alarms of another one stand beside; may hold anything.
        version: Of the run's feed; viewers of the same share what is read. Left out, it is read
            anew.
    """
    raised = (
        client.alarms.alarms_of(run.id)
        if version is None
        else shared(("alarms", run.id, version), lambda: client.alarms.alarms_of(run.id))
    )
    for one in raised:
        if one.decision is None:
            _card(run, one, _title(one, name))
    decided = [one for one in raised if one.decision is not None]
    if decided:
        with st.expander(t("live.decided", count=len(decided))):
            for one in decided:
                st.text(
                    t(
                        "events.decided",
                        alarm=_title(one, name),
                        choice=event_words.decision(one.decision or {}),
                    )
                )


def _title(one: Raised, name: str) -> str:
    title = one.alarm.describe("title")
    return f"{name} · {title}" if name else title


def _card(run: Run, one: Raised, title: str) -> None:
    alarm, key = one.alarm, f"{run.id}_{one.event_id}"
    with st.container(border=True, key=f"alarm_{key}"):
        times = t(
            "live.alarm_seen" if alarm.count > 1 else "live.alarm_seen_once",
            first=alarm.first_step,
            last=alarm.last_step,
            count=alarm.count,
        )
        notice("warning", f"{alarm.describe('what')} {times}", title=title)
        st.text(alarm.describe("why"))
        st.text(alarm.describe("try"))
        _evidence(run, alarm.evidence, key)
        with st.container(horizontal=True):
            for number, choice in enumerate(alarm.choices):
                if not _is_possible(run, choice):
                    continue
                st.button(
                    t(f"live.choice_{choice.kind}", setting=choice.setting, value=choice.value),
                    key=f"alarm_{key}_{number}",
                    on_click=_decide,
                    args=(run.id, one.event_id, choice, f"alarm_{key}_said"),
                )
        if problem := st.session_state.pop(f"alarm_{key}_said", None):
            show_problem(problem)


def _is_possible(run: Run, choice: Choice) -> bool:
    """Whether a run can still do what a choice asks for."""
    if choice.kind == "ignore":
        return True
    if choice.kind == "setting" and choice.setting not in client.runs.live_settings(run):
        return False
    return is_live(run) and client.runs.can_pause(run)


def _evidence(run: Run, shown: Sequence[Evidence], key: str) -> None:
    """The answers that show what an alarm says; read from the store only when asked for."""
    if not shown:
        st.caption(t("live.alarm_no_evidence"))
        return
    key = f"evidence_{key}"
    url_state.recall_flag(key)
    wanted = st.toggle(t("live.alarm_evidence", count=len(shown)), key=key)
    url_state.record_flag(key, wanted)
    if wanted:
        show_cards(evidence_cards(run, shown), key=f"answers_{key}")


def evidence_cards(run: Run, shown: Sequence[Evidence]) -> list[PromptCard]:
    """The answers that an alarm links, numbered as the list of all answers of their step is.

    Args:
        run: The alarm's run.
        shown: What the alarm links; answers that are no longer kept are left out.
    """
    cards = {}
    linked: Counter[tuple[int, str, int, str]] = Counter()
    for one in shown:
        place = (one.step, one.kind, one.item, one.start)
        # Alarms of earlier versions do not say which; then as many as they linked are shown.
        number = linked[place] if one.number is None else one.number
        linked[place] += 1
        rows = client.store.store().samples.at(run.id, one.step, one.kind)
        alike = [at for at, row in enumerate(rows) if (row.item, row.start) == place[2:]]
        for at in alike[number : number + 1]:
            made = card(at, [(rows[at], "")], with_data=True)
            cards[one.step, one.kind, at] = replace(made, id=f"{one.step}-{one.kind}-{at}")
    return list(cards.values())


def _decide(run_id: str, event_id: int, choice: Choice, problem_key: str) -> None:
    try:
        client.alarms.decide(run_id, event_id, choice, visitor())
    except DrpoError as error:
        # The run may have ended between the drawing of the button and the click.
        st.session_state[problem_key] = error
    look_again(run_id)
