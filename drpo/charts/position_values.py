"""What an answer was worth at each of its positions, and where that was decided."""

from __future__ import annotations

from collections.abc import Sequence

from drpo.charts import figures
from drpo.charts.figures import Figure, Panel, Trace
from drpo.i18n import t
from drpo.playground.counterfactuals import Decision, Judge, PositionValue

_MEANING: dict[Judge, str] = {"gold": "gold", "score": "learned"}
EDGE = 0.5
"""Tokens left free at either side of the text."""


def position_values(
    measured: Sequence[PositionValue],
    judge: Judge,
    *,
    tokens: int,
    chosen: int | None = None,
    decided: Decision | None = None,
) -> Figure:
    """Draw the value of each measured position with its 95 % interval, over the answer's tokens.

    Args:
        measured: In the order of the answer.
        judge: What the outcomes are: the true score, or the reward model's.
        tokens: Length of the answer; the axis spans all of it.
        chosen: The position that the visitor looks at.
        decided: The span that decided the outcome.
    """
    color = f"@{_MEANING[judge]}"
    known = [one for one in measured if one.outcome.value is not None]
    x = [one.position for one in known]
    y = [float(one.outcome.value or 0.0) for one in known]
    bounds = [(one.outcome.low, one.outcome.high) for one in known]
    low = [v if w is None else w for (w, _), v in zip(bounds, y, strict=True)]
    high = [v if h is None else h for (_, h), v in zip(bounds, y, strict=True)]
    traces: list[Trace] = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": x,
            "y": y,
            "customdata": x,
            "name": t("branches.value"),
            "uid": "value",
            "showlegend": False,
            "line": {"color": color, "width": 2.5},
            "marker": {"color": color, "size": 8},
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [h - v for h, v in zip(high, y, strict=True)],
                "arrayminus": [v - w for v, w in zip(y, low, strict=True)],
                "color": color,
                "thickness": 1.2,
                "width": 4,
            },
            "text": [f"{w:.2f} – {h:.2f}" for w, h in zip(low, high, strict=True)],
            "hovertemplate": f"{t('branches.hover')}<extra></extra>",
        }
    ]
    panel = Panel(t(f"branches.value_{judge}"), t("branches.unit"), traces)
    figure = figures.panels([panel], x_title=t("branches.axis"), legend=False)
    layout = figure["layout"]
    layout["xaxis"] |= {"range": [-EDGE, tokens + EDGE], "rangemode": "normal", "hoverformat": "d"}
    layout["hovermode"] = "closest"
    if decided is not None:
        layout["shapes"].append(_band(decided.start, decided.end))
    if chosen is not None:
        layout["shapes"].append(_line(chosen))
    return figure


def _band(start: float, end: float) -> dict[str, object]:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": start,
        "x1": end,
        "y0": 0,
        "y1": 1,
        "fillcolor": "@alarm/0.18",
        "line": {"width": 0},
        "layer": "below",
    }


def _line(at: float) -> dict[str, object]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": at,
        "x1": at,
        "y0": 0,
        "y1": 1,
        "line": {"color": "@ink", "width": 1, "dash": "dot"},
    }
