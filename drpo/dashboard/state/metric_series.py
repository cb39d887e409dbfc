"""Store to tables: what the charts and tables of the screens are made of.

A run's metrics are kept in memory once for all visitors and grow by cursor: a tick reads only the
rows that are new.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from drpo import metrics
from drpo.dashboard.client.config import UPDATING, RunConfig
from drpo.dashboard.client.store import LIVE_STATUSES, EventRow, Run, Store, store
from drpo.i18n import t
from drpo.i18n.format import number

FRESH_SECONDS = 0.3
"""Several charts of one tick, and several tabs, share one reading of the store."""


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
    read_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refresh(self) -> Feed:
        """Read what is new, unless that was just done."""
        with self.lock:
            if time.monotonic() - self.read_at < FRESH_SECONDS:
                return self
            rows = self.store.metrics.since(self.run_id, self.metric_cursor)
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
            self.read_at = time.monotonic()
        return self

    def _amend(self) -> None:
        """Read alarms again: one that is raised again is written into its first event."""
        # They are few, and most runs have none: then nothing is asked.
        first = next((event.id for event in self.events if event.kind == "alarm"), None)
        if first is not None:
            known = self.store.events.since(self.run_id, first - 1, kinds=("alarm",))
            now = {event.id: event for event in known}
            self.events = [now.get(event.id, event) for event in self.events]

    def get(self, name: str) -> Series:
        """One metric; empty while it has no values."""
        return self.series.get(name, EMPTY)

    def last(self, name: str) -> float | None:
        """The newest value of a metric."""
        return self.get(name).last

    @property
    def knobs(self) -> list[dict[str, Any]]:
        """What was turned in mid-run, in order."""
        return [
            {**event.payload, "step": event.step}
            for event in self.events
            if event.kind == "setting"
        ]

    @property
    def measured(self) -> bool:
        """Whether the policy itself has been measured; a reward model's curves come before that."""
        return bool(len(self.get(metrics.EVAL_SCORES)) or len(self.get(metrics.OBJECTIVE_SCORES)))


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


@st.cache_resource(show_spinner=False, max_entries=256)
def _feed(run_id: str) -> Feed:
    return Feed(store(), run_id)


def feed(run_id: str) -> Feed:
    """The metrics and events of a run as they are now."""
    return _feed(run_id).refresh()


def is_live(run: Run) -> bool:
    """Say whether a worker has, or will have, something to do."""
    return run.status in LIVE_STATUSES


def config_of(run: Run) -> RunConfig:
    """The run's settings."""
    return RunConfig.from_nested(run.config)


def runs_table(runs: Iterable[Run]) -> pd.DataFrame:
    """One row a run, with the figures people look for first."""
    rows = []
    for run in runs:
        gold = _first_and_last(run, metrics.EVAL_GOLD)
        scores = _first_and_last(run, metrics.EVAL_SCORES)
        # Methods without episodes have none to reset, and 0 would make them look like a control.
        updating = run.config["run"]["method"] in UPDATING
        rows.append(
            {
                "id": run.id,
                "name": run.name,
                "status": run.status,
                "method": run.config["run"]["method"],
                "step": run.step,
                "updates": run.config["ppo"]["updates"],
                "reset_prob": run.config["reset"]["reset_prob"] if updating else None,
                "kl_coef": run.config["kl"]["kl_coef"] if updating else None,
                "seed": run.config["run"]["seed"],
                "scores": scores[1],
                "scores_gain": _gain(*scores),
                "gold": gold[1],
                "gold_gain": _gain(*gold),
                "kl": metrics.read(run.summary.get("last"), metrics.EVAL_KL),
                "created": pd.Timestamp(run.created_at, unit="s", tz="UTC"),
            }
        )
    return pd.DataFrame(rows)


def _first_and_last(run: Run, name: str) -> tuple[float | None, float | None]:
    first, last = (metrics.read(run.summary.get(end), name) for end in ("first", "last"))
    return first, last


def _gain(first: float | None, last: float | None) -> float | None:
    return None if last is None or first is None else last - first


def turned(knobs: Iterable[Mapping[str, Any]]) -> str:
    """What was turned in mid-run and when, in words; empty where nothing was.

    Args:
        knobs: As `Feed.knobs` or the store's `events.setting_changes` list them.
    """
    return "; ".join(
        t(
            "compare.turned_at",
            name=knob["name"],
            old=number(knob["old"]),
            new=number(knob["new"]),
            step=knob["step"],
        )
        for knob in knobs
    )


def settings_that_differ(runs: Iterable[Run], feeds: Iterable[Feed]) -> pd.DataFrame:
    """The settings in which runs differ, one row a setting, one column a run.

    Args:
        runs: The runs.
        feeds: Their feeds, for a last row that says what was turned in mid-run.
    """
    runs = list(runs)
    flat = {run.id: config_of(run).flat() for run in runs}
    ids = list(flat)
    names = list(next(iter(flat.values()), {}))
    differing = [
        name
        for name in names
        if name != "name" and len({repr(flat[run_id][name]) for run_id in ids}) > 1
    ]
    table = pd.DataFrame(
        {run_id: [str(flat[run_id][name]) for name in differing] for run_id in ids},
        index=pd.Index(differing, name="setting"),
    )
    by_hand = [turned(feed.knobs) or "–" for feed in feeds]
    if len(set(by_hand)) > 1:
        table.loc[t("compare.turned")] = by_hand
    return table
