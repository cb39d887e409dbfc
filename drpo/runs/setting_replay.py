"""Settings changed after the checkpoint that a run goes on from, to be changed again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from drpo.store.schema import EventRow


class SettingReplay:
    """The changes a resumed run has yet to make again, in order, at the updates they were made."""

    def __init__(self) -> None:
        self._events: list[EventRow] = []

    def take(
        self, changes: Sequence[EventRow], step: int, live_settings: Mapping[str, Any]
    ) -> None:
        """Find the changes that the checkpoint does not hold.

        Args:
            changes: All changes of the run, oldest first.
            step: Updates done at the checkpoint.
            live_settings: The values in it of what may change in mid-run, by name.
        """
        changes = [event for event in changes if {"name", "new"} <= event.payload.keys()]
        # Made at the checkpoint's own step, before it was written or just after? The last change
        # to the value that stands in it, and those before, need not be repeated: a paused run's
        # setting may be changed several times, back again too.
        held = {
            event.payload["name"]: event.id
            for event in changes
            if event.step == step
            and event.payload["new"] == live_settings.get(event.payload["name"])
        }
        for event in changes:
            kept = event.step == step and event.id <= held.get(str(event.payload["name"]), 0)
            if event.step >= step and not kept:
                self._events.append(event)
        self._events.sort(key=lambda event: (event.step, event.id))

    def due(self, step: int) -> list[EventRow]:
        """Take out the changes to be made by this step."""
        return self._take_out([event for event in self._events if event.step <= step])

    def overrule(self, names: Collection[str]) -> list[EventRow]:
        """Take out the changes of settings for which somebody asks otherwise now."""
        return self._take_out([event for event in self._events if event.payload["name"] in names])

    def _take_out(self, found: list[EventRow]) -> list[EventRow]:
        self._events = [event for event in self._events if event not in found]
        return found
