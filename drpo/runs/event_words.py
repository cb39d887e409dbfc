"""What happened to a run, in the visitor's language: an event keeps figures, the words are here.

The message that an event was written with is English, for the log and the command line. It is
shown where there is nothing better: for an error's own sentence, and for events of other makers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drpo.alarms.alarms import ALARMS, Alarm, Part
from drpo.alarms.handler import ODD
from drpo.i18n import Language, has, t
from drpo.i18n.format import number, size
from drpo.store.schema import EventRow, Run


def kind(event: EventRow) -> str:
    """What sort of thing happened."""
    name = f"kind_{event.kind}"
    return t(f"events.{name}") if has(f"events.{name}") else event.kind


def describe(event: EventRow, events: Iterable[EventRow] = ()) -> str:
    """What happened, in a sentence.

    Args:
        event: It.
        events: The run's events; a decision is described with the alarm it is about.
    """
    try:
        return _sentence(event, events)
    except ODD:  # another version's: it has its own sentence
        return event.message


def _sentence(event: EventRow, events: Iterable[EventRow]) -> str:
    payload = event.payload
    if event.kind == "alarm":
        return _alarm(event, "what")
    if event.kind == "decision":
        about = next((one for one in events if one.id == payload["alarm_event"]), None)
        chosen = decision(payload)
        return chosen if about is None else t("events.decided", alarm=title(about), choice=chosen)
    if event.kind == "stage" and "stage" in payload:
        figures = (f"{name} {number(value)}" for name, value in payload["figures"].items())
        stage = t(f"events.stage_{payload['stage']}")
        return t("events.stage_done", stage=stage, figures=", ".join(figures))
    how = payload.get("how", "")
    if "room" in payload:
        return of_memory(payload)
    if "tensor" in payload:
        return _of_divergence(payload)
    name = f"{event.kind}_{how}" if how else event.kind
    if not has(f"events.{name}"):
        return event.message
    shown: dict[str, Any] = {
        name: number(value) if isinstance(value, int | float) else value
        for name, value in payload.items()
    }
    return t(f"events.{name}", **{**shown, "step": event.step})


def stage_name(stage: str, lang: Language | None = None) -> str:
    """What a run does now, in words; a stage without words is called by its own name."""
    key = f"stage_{stage.replace(' ', '_')}"
    return t(f"live.{key}", lang=lang) if has(f"live.{key}") else stage


def of_memory(payload: Mapping[str, Any], lang: Language | None = None) -> str:
    """Why memory ended a run: where, at how much, and which settings would fit.

    Args:
        payload: As `drpo.runs.memory_fit.facts_of` gives it.
        lang: Another language than the visitor's.
    """
    return t(
        f"events.error_{payload['how']}",
        lang=lang,
        stage=stage_name(payload["stage"], lang),
        peak=size(payload["peak"]),
        room=size(payload["room"]),
        settings=payload["settings"],
    )


def _of_divergence(payload: Mapping[str, Any]) -> str:
    """What became no number and where, and what to do about it; see `drpo.rl.finite`."""
    tensor, part = str(payload["tensor"]), str(payload["part"])
    name = f"events.tensor_{tensor.replace(chr(39), '').replace(' ', '_').replace('-', '_')}"
    places = str(payload["places"])
    return t(
        f"events.error_{payload['how']}",
        what=t(name) if has(name) else tensor,
        where=t(f"events.diverged_{part}", places=places) if part and places else "",
        setting=str(payload["setting"]),
    )


def title(event: EventRow) -> str:
    """An alarm's name."""
    return _alarm(event, "title")


def _alarm(event: EventRow, part: Part) -> str:
    try:
        return Alarm.from_payload(event.payload).describe(part)
    except ODD:  # another version's alarm, or with other numbers: it has its own sentence
        return event.message


def decision(payload: dict[str, Any]) -> str:
    """What a person chose to do about an alarm."""
    return t(f"live.choice_{payload['choice']}", setting=payload["setting"], value=payload["value"])


def who(event: EventRow) -> str:
    """Who did it: a name as it is, one of our own parts in words."""
    if event.who == t("live.someone", lang="en"):
        return t("live.someone")
    alarm = event.who.removeprefix("alarm ")
    if alarm in ALARMS and alarm != event.who:
        return t(f"alarms.{alarm}_title")
    part = f"who_{event.who.replace(' ', '_')}"
    return t(f"events.{part}") if has(f"events.{part}") else event.who


def trouble(run: Run, events: Sequence[EventRow]) -> str:
    """Why a run broke off; empty when it did not."""
    last = next((event for event in reversed(events) if event.kind == "error"), None)
    if last is not None and last.payload.get("how"):
        if run.status == "interrupted":
            return t("events.resumable", why=describe(last))
        if run.status == "failed":
            return describe(last)
    return run.error
