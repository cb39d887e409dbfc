"""What earlier versions stored under other words, read in the words of this one.

Nothing in a store is rewritten: a run of the earlier version may still be going on and write to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from drpo.config.stored import current_form

_EVENT_KINDS = {"knob": "setting"}
"""Kinds of events by the word they had: a setting that was changed in mid-run was a knob."""


def event_kind(stored: str) -> str:
    """Return the present word for a stored kind of event."""
    return _EVENT_KINDS.get(stored, stored)


def spellings(kinds: Iterable[str]) -> tuple[str, ...]:
    """Return all words under which events of these kinds may be stored."""
    wanted = tuple(kinds)
    return (*wanted, *(old for old, now in _EVENT_KINDS.items() if now in wanted))


def event_payload(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's payload with a decision, or an alarm's choices, in the present words."""
    payload = _choice(stored, "choice")
    if isinstance(payload.get("choices"), list):
        payload["choices"] = [_choice(one, "kind") for one in payload["choices"]]
    return payload


def _choice(stored: Mapping[str, Any], named: str) -> dict[str, Any]:
    if "knob" not in stored:
        return dict(stored)
    choice = {"setting" if key == "knob" else key: value for key, value in stored.items()}
    return choice | {named: event_kind(choice[named])}


def config(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's settings in the present form."""
    return current_form(stored)
