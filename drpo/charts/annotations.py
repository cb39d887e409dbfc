"""Marks on a chart: what was changed, decided or raised at a step, as a labelled thin line."""

from __future__ import annotations

import html
import textwrap
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from drpo.i18n import t
from drpo.i18n.format import number
from drpo.runs import event_words
from drpo.store.schema import EventRow

ROW = 15
"""Pixels for one line of marks' labels above a chart."""
ROWS = 4
"""Lines of labels at most; what finds no room is counted and named under the pointer."""
SHORT_NAME = 12
"""Letters of a name that a label has room for; a longer one is named under the pointer."""
LINE = 80
"""Letters of a line under the pointer; the list of events has the rest."""
TOLD = 6
"""Things described under one pointer; a setting may be changed a hundred times."""
MEANINGS = {
    "setting": "ink",
    "alarm": "alarm",
    "decision": "ink",
    "pause": "muted",
    "resume": "muted",
    "stop": "muted",
}
"""What is marked, and in which colour."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A setting that was changed, or something else that happened, at a step."""

    step: int
    label: str
    meaning: str = "muted"
    who: str = ""
    """Who did it, where a person or another part of DR-PO did."""
    told: str = ""
    """What happened, who did it and when; may hold anything."""


def marks_of(events: Iterable[EventRow]) -> list[Mark]:
    """What people and alarms did, as labelled lines for the charts."""
    known = list(events)
    return [_mark(event, known) for event in known if event.kind in MEANINGS]


def _mark(event: EventRow, events: Sequence[EventRow]) -> Mark:
    if event.kind == "setting":
        name, new = event.payload.get("name", ""), event.payload.get("new")
        value = number(new) if isinstance(new, int | float) else str(new)
        label = f"{name} → {value}"
    else:
        label = t(f"charts.{event.kind}")
    if event.kind == "alarm":
        label, what, who = f"▲ {label}", event_words.title(event), ""
    else:
        what, who = event_words.describe(event, events), event_words.who(event)
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(event.created_at))
    by = f"{who} · {when}" if who else when
    told = f"{textwrap.shorten(what, LINE, placeholder='…')}\n{by}"
    return Mark(event.step, label, MEANINGS[event.kind], who, told)


@dataclass
class _Label:
    """A label in a row above the plot, with what it stands for."""

    mark: Mark
    text: str
    left: float
    right: float
    """Its ends, as shares of the axis."""
    row: int = 0
    told: list[str] = field(default_factory=list)
    more: int = 0
    """Other things that happened here and found no room of their own."""


def add_marks(layout: dict[str, Any], marks: list[Mark], until: int) -> None:
    """Draw the lines, and their labels above the plot: inside they would cover the curves."""
    last = max([until, 1, *(mark.step for mark in marks)])
    labels: list[_Label] = []
    for mark in marks:
        layout["shapes"].append(
            {
                "type": "line",
                "x0": mark.step,
                "x1": mark.step,
                "xref": "x",
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "layer": "below",
                "line": {"color": f"@{mark.meaning}", "width": 1},
            }
        )
        _place(labels, _label(mark, last))
    layout["annotations"] += [_drawn(label, last) for label in labels]
    if labels:
        rows = 1 + max(label.row for label in labels)
        layout["margin"]["t"] += ROW * rows
        layout["annotations"][0]["yshift"] += ROW * rows


def _label(mark: Mark, last: int) -> _Label:
    who = mark.who if len(mark.who) <= SHORT_NAME else ""
    text = f"{mark.label} · {who}" if who else mark.label
    # As a share of the axis: about six pixels a letter on a narrow chart.
    width = 0.017 * len(text) + 0.02
    at = mark.step / last
    left = at - width if at + width > 1 else at
    return _Label(mark, text, left, left + width, told=[mark.told] if mark.told else [])


def _place(labels: list[_Label], label: _Label) -> None:
    """Put a label into the lowest row with room; one that says the same there stands for it too."""
    for row in range(ROWS):
        near = [
            other
            for other in labels
            if other.row == row and other.left < label.right and label.left < other.right
        ]
        same = next((other for other in near if other.text == label.text), None)
        if same is not None:
            same.told += label.told
            return
        if not near:
            label.row = row
            labels.append(label)
            return
    near[-1].told += label.told
    near[-1].more += 1


def _drawn(label: _Label, last: int) -> dict[str, Any]:
    at_right = label.left < label.mark.step / last
    more = f" +{label.more}" if label.more else ""
    return {
        "text": html.escape(label.text, quote=False) + more,
        "hovertext": _hovertext(label.told),
        "x": label.mark.step,
        "xref": "x",
        "xanchor": "right" if at_right else "left",
        "xshift": 8 if at_right else -3,
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "yshift": ROW * label.row - 2,
        "showarrow": False,
        "font": {"color": "@ink", "size": 11},
        "name": "mark",
    }


def _hovertext(told: Sequence[str]) -> str:
    rest = [f"+{len(told) - TOLD}"] if len(told) > TOLD else []
    lines = [html.escape(one, quote=False) for one in (*told[:TOLD], *rest)]
    return "<br>".join(lines).replace("\n", "<br>")
