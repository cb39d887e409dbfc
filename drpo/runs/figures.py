"""The figures of a run that lists show: kept in its summary as it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drpo import metrics


def sum_up(summary: dict[str, Any], step: int, values: Mapping[str, float]) -> None:
    """Take an update's metrics, or an evaluation's, into a summary.

    Args:
        summary: Changed in place: `updates`, `episodes`, `seconds_per_update`, `first`, `last`.
        step: Updates done.
        values: Metrics by name.
    """
    summary["updates"] = step
    if metrics.EPISODE in values:
        summary["episodes"] = int(values[metrics.EPISODE])
    if metrics.TIMING_S_UPDATE in values:
        summary["seconds_per_update"] = values[metrics.TIMING_S_UPDATE]
    if metrics.EVAL_KL in values:  # an evaluation; its scores may be unknown
        figures = {metrics.short(name): values[name] for name in metrics.SUMMARY if name in values}
        point = {"step": step, **figures}
        first = summary.get("first")
        if first is None or first["step"] >= step:
            summary["first"] = point
        summary["last"] = point
