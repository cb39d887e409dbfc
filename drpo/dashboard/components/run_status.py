"""The line that says what a run is doing now, how far it is and how long still."""

from __future__ import annotations

import html
import time
from dataclasses import dataclass

import numpy as np
import streamlit as st

from drpo import metrics
from drpo.charts.figures import RunSeries
from drpo.dashboard.client.analysis import counts_updates, updates_of
from drpo.dashboard.client.config import leaves
from drpo.dashboard.client.runs import event_words, live_settings
from drpo.dashboard.client.store import Run
from drpo.dashboard.components.live_settings import METRICS
from drpo.dashboard.state.metric_series import config_of, is_live
from drpo.i18n import t
from drpo.i18n.format import count, duration, number

_ICONS = {
    "queued": "hourglass_empty",
    "running": "play_arrow",
    "paused": "pause",
    "finished": "check",
    "stopped": "stop",
    "failed": "error",
    "interrupted": "warning",
}
_RECENT = 5
"""Updates whose mean duration foretells the rest; earlier ones may have had other lengths."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the status line says."""

    status: str
    doing: str
    done: int
    total: int
    seconds_left: float | None

    @property
    def share(self) -> float:
        """How much is done, in [0, 1]."""
        if self.status == "finished":
            return 1.0
        return min(1.0, self.done / self.total) if self.total else 0.0


def status_of(run: Run, source: RunSeries, *, now: float | None = None) -> Status:
    """Read a run's status line off its row and its metrics."""
    done, total = run.stage_done, run.stage_total
    if counts_updates(run):
        done, total = run.step, updates_of(run) or 0
    elif not is_live(run):
        done, total = 0, 0  # the counts of whatever stage it was in say nothing of the whole
    left = seconds_left(run, source, now=now) if run.status == "running" else None
    return Status(run.status, stage_name(run), done, total, left)


def share_done(run: Run) -> float | None:
    """How much of a whole run is done, in [0, 1]; None where only its end can be told."""
    planned = updates_of(run)
    if run.status == "finished":
        return 1.0
    return None if planned is None else min(1.0, run.step / planned)


def stage_name(run: Run) -> str:
    """What a live run does now; of an ended one how it ended."""
    return event_words.stage_name(run.stage) if is_live(run) else t(f"live.status_{run.status}")


def seconds_left(run: Run, source: RunSeries, *, now: float | None = None) -> float | None:
    """Foretell how long the stage still takes; None while there is nothing to go by."""
    if counts_updates(run):
        updates = source.get(metrics.TIMING_S_UPDATE).values[-_RECENT:]
        if len(updates):
            config = config_of(run)
            remaining = max(0, config.ppo.updates - run.step)
            evaluations = remaining / config.evaluation.eval_every
            each = source.get(metrics.TIMING_S_EVALUATION).values[-_RECENT:]
            measuring = float(np.mean(each)) if len(each) else 0.0
            return float(np.mean(updates)) * remaining + measuring * evaluations
    if run.started_at is None or run.stage_done <= 0 or run.stage_total <= 0:
        return None
    elapsed = (now or time.time()) - run.started_at
    return elapsed / run.stage_done * max(0, run.stage_total - run.stage_done)


def status_line(run: Run, source: RunSeries) -> None:
    """Draw the line."""
    status = status_of(run, source)
    trouble = run.status in ("failed", "interrupted")
    word = html.escape(t(f"live.status_{run.status}"))
    parts = [f"<strong>{_icon(run.status, trouble)}{word}</strong>"]
    if is_live(run):
        parts.append(f'<span class="drpo-aside">{html.escape(status.doing)}</span>')
    parts.append(html.escape(_progress_words(run, status)))
    if status.seconds_left:
        parts.append(html.escape(t("live.left", time=duration(status.seconds_left))))
    elif not is_live(run) and run.summary.get("wall_seconds"):
        parts.append(html.escape(t("live.took", time=duration(run.summary["wall_seconds"]))))
    values = live_settings_now(run, source)
    if values:
        parts.append(f'<span class="drpo-aside">{html.escape(values)}</span>')
    share = status.share
    row = "display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;align-items:baseline;line-height:1.5"
    st.html(
        "<style>.drpo-aside{color:var(--drpo-muted)}"
        "@media(max-width:640px){.drpo-aside{display:none}}</style>"
        f'<div style="{row}">{"".join(f"<span>{part}</span>" for part in parts)}</div>'
        f'<div role="progressbar" aria-label="{html.escape(t("live.progress"))}" '
        f'aria-valuenow="{100 * share:.0f}" aria-valuemin="0" aria-valuemax="100" '
        'style="height:6px;border-radius:3px;background:var(--drpo-line);'
        'margin-top:.5rem;overflow:hidden">'
        f'<div style="height:100%;width:{100 * share:.1f}%;'
        'background:var(--drpo-learned)"></div></div>'
    )


def live_settings_now(run: Run, source: RunSeries) -> str:
    """The live settings of the run's method as they stand, changed or not; empty without any."""
    parts = []
    for name in live_settings(run):
        last = source.get(METRICS[name]).last
        set_to = run.config[leaves()[name][0]][name]
        parts.append(f"{name} {number(set_to if last is None else last)}")
    return " · ".join(parts)


def _progress_words(run: Run, status: Status) -> str:
    if not status.total:
        return ""
    key = "live.update_of" if counts_updates(run) else "live.step_of"
    return t(key, done=count(status.done), total=count(status.total))


def _icon(status: str, trouble: bool) -> str:
    colour = "color:var(--drpo-alarm-ink);" if trouble else ""
    return (
        '<span aria-hidden="true" style="font-family:\'Material Symbols Rounded\';font-weight:400;'
        f'font-size:1.25em;vertical-align:-.22em;margin-right:.3rem;{colour}">'
        f"{_ICONS.get(status, 'help')}</span>"
    )
