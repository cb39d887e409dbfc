"""Store to series: what charts and tables are made of.

A run's metrics are kept in memory and grow by cursor: a refresh reads only the rows that are new.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drpo import metrics
from drpo.store import Store
from drpo.store.schema import EventRow

FRESH_SECONDS = 0.3
"""Several charts of one tick, and several tabs, share one reading of the store."""

LONG = 200_000
"""Rows of a run that take seconds to read one by one."""
_versions = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of a run, by policy updates done."""

    steps: NDArray[np.int32]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def first(self) -> float | None:
        """The earliest value."""
        return float(self.values[0]) if len(self) else None

    @property
    def last(self) -> float | None:
        """The newest value."""
        return float(self.values[-1]) if len(self) else None


EMPTY = Series(np.empty(0, np.int32), np.empty(0, np.float32))


@dataclass
class Feed:
    """The metrics and events of one run, kept up to date."""

    store: Store
    run_id: str
    series: dict[str, Series] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    metric_cursor: int = 0
    event_cursor: int = 0
    sample_cursor: int = 0
    version: int = field(default_factory=lambda: next(_versions))
    """Another one with everything new, and no other feed's: names what is made of what there is."""
    read_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refresh(self) -> Feed:
        """Read what is new, unless that was just done."""
        with self.lock:
            if time.monotonic() - self.read_at < FRESH_SECONDS:
                return self
            before = self.events
            rows = self.store.metrics.since(self.run_id, self.metric_cursor)
            if not self.metric_cursor and len(rows) >= LONG:
                # A run of an earlier version, whose worker made no blocks; the next one waits less.
                pack = self.store.metrics.pack
                threading.Thread(target=pack, args=(self.run_id,), daemon=True).start()
            if goes_back(self.series, rows):
                # A resumed run took back what came after its checkpoint and writes it again.
                self.series, self.events, self.event_cursor = {}, [], 0
                rows = self.store.metrics.since(self.run_id)
            if len(rows):
                self.metric_cursor = int(rows["id"].iloc[-1])
                self.series = merge(self.series, rows)
            events = self.store.events.since(self.run_id, self.event_cursor)
            if events:
                self.events = [*self.events, *events]
                self.event_cursor = events[-1].id
            self._amend()
            newest = self.store.samples.newest(self.run_id)
            if len(rows) or self.events is not before or newest != self.sample_cursor:
                self.version = next(_versions)
            self.sample_cursor = newest
            self.read_at = time.monotonic()
        return self

    def _amend(self) -> None:
        """Read alarms again: one that is raised again is written into its first event."""
        # They are few, and most runs have none: then nothing is asked.
        first = next((event.id for event in self.events if event.kind == "alarm"), None)
        if first is not None:
            known = self.store.events.since(self.run_id, first - 1, kinds=("alarm",))
            now = {event.id: event for event in known}
            if any(event.id in now and _differ(event, now[event.id]) for event in self.events):
                self.events = [now.get(event.id, event) for event in self.events]

    def get(self, name: str) -> Series:
        """One metric; empty while it has no values."""
        return self.series.get(name, EMPTY)

    def last(self, name: str) -> float | None:
        """The newest value of a metric."""
        return self.get(name).last

    @property
    def setting_changes(self) -> list[dict[str, Any]]:
        """The settings that were changed in mid-run, in order."""
        return [
            {**event.payload, "step": event.step}
            for event in self.events
            if event.kind == "setting" and {"name", "old", "new"} <= event.payload.keys()
        ]

    @property
    def measured(self) -> bool:
        """Whether the policy itself has been measured; a reward model's curves come before that."""
        return bool(len(self.get(metrics.EVAL_SCORES)) or len(self.get(metrics.OBJECTIVE_SCORES)))


def _differ(one: EventRow, other: EventRow) -> bool:
    return (one.message, one.payload) != (other.message, other.payload)


def goes_back(series: dict[str, Series], rows: pd.DataFrame) -> bool:
    """Say whether new rows begin at a step that was already read."""
    begins = rows.groupby("name")["step"].min()
    return any(
        len(series.get(str(name), EMPTY)) and step <= series[str(name)].steps[-1]
        for name, step in begins.items()
    )


def merge(series: dict[str, Series], rows: pd.DataFrame) -> dict[str, Series]:
    """Add rows of the metrics table to the series, by step; the later of two values counts."""
    merged = dict(series)
    for name, group in rows.groupby("name", sort=False):
        old = merged.get(str(name), EMPTY)
        steps = np.concatenate([old.steps, group["step"].to_numpy(np.int32)])
        values = np.concatenate([old.values, group["value"].to_numpy(np.float32)])
        if np.any(np.diff(steps) <= 0):
            # Of equal steps the last written one is the first in the reversed order.
            _, newest = np.unique(steps[::-1], return_index=True)
            kept = len(steps) - 1 - newest
            steps, values = steps[kept], values[kept]
        merged[str(name)] = Series(steps, values)
    return merged
