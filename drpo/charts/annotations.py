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
"""Pixels for one line of annotations' labels above a chart."""
ROWS = 4
"""Lines of labels at most; what finds no room is counted and named under the pointer."""
SHORT_NAME = 12
"""Letters of a name that a label has room for; a longer one is named under the pointer."""
HOVER_WIDTH = 80
"""Letters of a line under the pointer; the list of events has the rest."""
MOST_HOVERS = 6
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
class Annotation:
    """A setting that was changed, or something else that happened, at a step."""

    step: int
    label: str
    meaning: str = "muted"
    who: str = ""
    """Who did it, where a person or another part of DR-PO did."""
    hover: str = ""
    """What happened, who did it and when; may hold anything."""


def annotations_of(events: Iterable[EventRow]) -> list[Annotation]:
    """What people and alarms did, as labelled lines for the charts."""
    known = list(events)
    return [_annotation(event, known) for event in known if event.kind in MEANINGS]


def _annotation(event: EventRow, events: Sequence[EventRow]) -> Annotation:
    if event.kind == "setting":
        name, new = event.payload.get("name", ""), event.payload.get("new")
        value = number(new) if isinstance(new, int | float) else str(new)
        label = f"{name} → {value}"
    else:
        label = t(f"charts.{event.kind}")
    if event.kind == "alarm":
        label, text, who = f"▲ {label}", event_words.title(event), ""
    else:
        text, who = event_words.describe(event, events), event_words.who(event)
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(event.created_at))
    who_and_when = f"{who} · {when}" if who else when
    hover = f"{textwrap.shorten(text, HOVER_WIDTH, placeholder='…')}\n{who_and_when}"
    return Annotation(event.step, label, MEANINGS[event.kind], who, hover)


@dataclass
class _Label:
    """A label in a row above the plot, with what it stands for."""

    annotation: Annotation
    text: str
    left: float
    right: float
    """Its ends, as shares of the axis."""
    row: int = 0
    hover: list[str] = field(default_factory=list)
    more: int = 0
    """Other things that happened here and found no room of their own."""


def add_annotations(layout: dict[str, Any], annotations: list[Annotation], until: int) -> None:
    """Draw the lines, and their labels above the plot: inside they would cover the curves."""
    last = max([until, 1, *(annotation.step for annotation in annotations)])
    labels: list[_Label] = []
    for annotation in annotations:
        layout["shapes"].append(
            {
                "type": "line",
                "x0": annotation.step,
                "x1": annotation.step,
                "xref": "x",
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "layer": "below",
                "line": {"color": f"@{annotation.meaning}", "width": 1},
            }
        )
        _place(labels, _label(annotation, last))
    layout["annotations"] += [_as_plotly(label, last) for label in labels]
    if labels:
        rows = 1 + max(label.row for label in labels)
        layout["margin"]["t"] += ROW * rows
        layout["annotations"][0]["yshift"] += ROW * rows


def _label(annotation: Annotation, last: int) -> _Label:
    who = annotation.who if len(annotation.who) <= SHORT_NAME else ""
    text = f"{annotation.label} · {who}" if who else annotation.label
    # As a share of the axis: about six pixels a letter on a narrow chart.
    width = 0.017 * len(text) + 0.02
    at = annotation.step / last
    left = at - width if at + width > 1 else at
    return _Label(
        annotation, text, left, left + width, hover=[annotation.hover] if annotation.hover else []
    )


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
            same.hover += label.hover
            return
        if not near:
            label.row = row
            labels.append(label)
            return
    near[-1].hover += label.hover
    near[-1].more += 1


def _as_plotly(label: _Label, last: int) -> dict[str, Any]:
    at_right = label.left < label.annotation.step / last
    more = f" +{label.more}" if label.more else ""
    return {
        "text": html.escape(label.text, quote=False) + more,
        "hovertext": _hovertext(label.hover),
        "x": label.annotation.step,
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


def _hovertext(hover: Sequence[str]) -> str:
    rest = [f"+{len(hover) - MOST_HOVERS}"] if len(hover) > MOST_HOVERS else []
    lines = [html.escape(one, quote=False) for one in (*hover[:MOST_HOVERS], *rest)]
    return "<br>".join(lines).replace("\n", "<br>")
