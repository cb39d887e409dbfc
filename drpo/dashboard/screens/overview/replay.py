"""A finished run, played again in the browser at any speed, and labelled as what it is.

All figures travel to the page once; the clock is the browser's, so a replay costs the server
nothing and goes on when the server does not. Until it is played it stands at the run's end and is
the run's picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from drpo import metrics
from drpo.charts import figures
from drpo.charts.annotations import annotations_of
from drpo.charts.figures import RunSeries
from drpo.charts.palette import COLOURS
from drpo.dashboard.assets import read_assets
from drpo.dashboard.client.analysis import Series, Verdict, verdict_words
from drpo.dashboard.client.store import EventRow, Run, store
from drpo.i18n import t
from drpo.metrics import words

PROMPTS = 6
"""Held-out prompts whose answers travel with a replay."""
POINTS = 400
"""Points a line; a picture 800 pixels wide shows no more."""


_REPLAY = st.components.v2.component(
    "drpo_replay",
    html='<div class="host"></div>',
    js=read_assets("common.js", "replay.js"),
    css=read_assets("replay.css"),
)


def replay(
    verdict: Verdict,
    source: RunSeries,
    events: Sequence[EventRow],
    *,
    key: str,
    large: bool = False,
) -> None:
    """Show a run's picture, which plays.

    Args:
        verdict: What the run came to; said when the replay is at its end.
        source: The run's series.
        events: What happened in the run.
        key: The component's identity on this screen.
        large: For a room.
    """
    data = replay_data(verdict, source, events, heldout_answers(verdict.run))
    words = {
        name: t(f"overview.replay_{name}")
        for name in (
            "replay",
            "play",
            "pause",
            "again",
            "scrub",
            "speed",
            "speed_label",
            "next",
            "full",
            "clock",
            "region",
            "start",
            "prompt",
            "answer_at",
            "answer_start",
            "empty",
            "score",
            "gold",
        )
    }
    _REPLAY(
        data={**data, "words": words, "colours": COLOURS, "stage": large},
        key=key,
    )


def replay_data(
    verdict: Verdict, source: RunSeries, events: Sequence[EventRow], prompts: list[dict[str, Any]]
) -> dict[str, Any]:
    """Everything that the browser needs to play a run, as plain values."""
    run = verdict.run
    return {
        "run": run.id,
        "name": run.name,
        "updates": max(1, run.step),
        "secondsPerUpdate": verdict.cost.seconds / max(1, run.step),
        "verdict": verdict_words.in_full(verdict),
        "panels": [panel for panel in (_panel(source, name) for name in metrics.OUTCOME) if panel],
        "marks": [
            {"step": annotation.step, "label": annotation.label}
            for annotation in annotations_of(events)
        ],
        "prompts": prompts,
    }


def heldout_answers(run: Run) -> list[dict[str, Any]]:
    """The answers to a few held-out prompts at every evaluation, prompt by prompt."""
    found: dict[int, dict[str, Any]] = {}
    for step in store().samples.steps(run.id):
        for sample in store().samples.at(run.id, step)[:PROMPTS]:
            entry = found.setdefault(sample.item, {"prompt": sample.prompt, "answers": []})
            entry["answers"].append(
                {"step": step, "text": sample.response, "score": sample.score, "gold": sample.gold}
            )
    return list(found.values())


def _panel(source: RunSeries, name: str) -> dict[str, Any] | None:
    metric = metrics.of(name)
    measured, trained = source.get(name), source.get(metric.batch)
    lines = [_line(trained, heldout=False)] if len(trained) else []
    if len(measured):
        lines.append(_line(measured, source.get(metrics.error_of(name))))
    if not lines:
        return None
    title, unit = words.heading(name)
    last = measured.last if len(measured) else trained.last
    return {
        "meaning": metric.meaning,
        "title": title,
        "unit": unit,
        "alt": t("overview.replay_alt", name=title, last=f"{last:.2f} {unit}"),
        "zero": metric.meaning == "kl",
        "dash": "2 4" if metric.meaning == "kl" else "",
        "start": None if metric.meaning == "kl" else measured.first,
        "lines": lines,
    }


def _line(series: Series, errors: Series | None = None, *, heldout: bool = True) -> dict[str, Any]:
    drawn = figures.downsample(series, POINTS)
    spread = None
    if errors is not None and len(errors):
        # An evaluation without an error of its own gets none: the band closes up there.
        known = dict(zip(errors.steps.tolist(), errors.values.tolist(), strict=True))
        spread = [known.get(step, 0.0) for step in drawn.steps.tolist()]
    return {
        "steps": drawn.steps.tolist(),
        "values": np.round(drawn.values.astype(float), 4).tolist(),
        "errors": spread,
        "heldout": heldout,
    }
