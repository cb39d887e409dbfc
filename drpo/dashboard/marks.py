"""Marks on a chart: what was turned or raised at a step, as a thin line with its label above."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drpo.dashboard.look import number
from drpo.dashboard.words import t
from drpo.store.schema import EventRow

ROW = 15
"""Pixels for one line of marks' labels above a chart."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A control that was turned, or something else that happened, at a step."""

    step: int
    label: str
    meaning: str = "muted"


def marks_of(events: Iterable[EventRow]) -> list[Mark]:
    """What people and alarms did, as labelled lines for the charts."""
    found = []
    for event in events:
        if event.kind == "knob":
            name, new = event.payload.get("name", ""), event.payload.get("new")
            value = number(new) if isinstance(new, int | float) else str(new)
            found.append(Mark(event.step, f"{name} → {value}", "ink"))
        elif event.kind == "alarm":
            found.append(Mark(event.step, f"▲ {t('charts.alarm')}", "alarm"))
        elif event.kind in ("pause", "resume"):
            found.append(Mark(event.step, t(f"charts.{event.kind}"), "muted"))
    return found


def add_marks(layout: dict[str, Any], marks: list[Mark], until: int) -> None:
    """Draw the lines, and their labels above the plot: inside they would cover the curves."""
    last = max([until, 1, *(mark.step for mark in marks)])
    rows: list[list[tuple[float, float, str]]] = []
    for mark in marks:
        layout["shapes"].append(
            {
                "type": "line", "x0": mark.step, "x1": mark.step, "xref": "x",
                "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
                "line": {"color": f"@{mark.meaning}", "width": 1},
            }
        )  # fmt: skip
        # As a share of the axis: about six pixels a letter on a narrow chart.
        width = 0.017 * len(mark.label) + 0.02
        at = mark.step / last
        left = at - width if at + width > 1 else at
        row = _free_row(rows, (left, left + width, mark.label))
        if row is None:
            continue  # the line alone: its neighbour says the same
        layout["annotations"].append(
            {
                "text": mark.label, "x": mark.step, "xref": "x",
                "xanchor": "right" if left < at else "left", "xshift": 8 if left < at else -3,
                "y": 1, "yref": "paper", "yanchor": "bottom", "yshift": ROW * row - 2,
                "showarrow": False, "font": {"color": "@ink", "size": 11}, "name": "mark",
            }
        )  # fmt: skip
    if rows and layout["annotations"]:
        layout["margin"]["t"] += ROW * len(rows)
        layout["annotations"][0]["yshift"] += ROW * len(rows)


def _free_row(
    rows: list[list[tuple[float, float, str]]], label: tuple[float, float, str]
) -> int | None:
    """Take the lowest row with room for a label; None where the same label stands there already."""
    left, right, text = label
    for place, row in enumerate(rows):
        near = [other for other in row if other[0] < right and left < other[1]]
        if any(other[2] == text for other in near):
            return None
        if not near:
            row.append(label)
            return place
    rows.append([label])
    return len(rows) - 1
