"""The picture of a review: each pair's win rate by each judge, with its interval."""

from __future__ import annotations

import html
import textwrap
from typing import Any

from drpo.charts.figures import Panel, panels
from drpo.i18n import t
from drpo.review.results import Duel
from drpo.stats.intervals import Interval

JUDGES = {"human": "by_people", "reward_model": "by_reward_model", "gold": "by_gold"}
COLOURS = {"human": "gold", "reward_model": "learned", "gold": "muted"}
SYMBOLS = {"human": "diamond", "reward_model": "circle", "gold": "square-open"}


def whiskers(duels: tuple[Duel, ...]) -> dict[str, Any]:
    """Win rates with intervals: a row for each pair, a mark for each judge."""
    traces = []
    for judge, word in JUDGES.items():
        rates = [(place, getattr(duel, judge)) for place, duel in enumerate(duels)]
        known = [(place, rate) for place, rate in rates if rate.value is not None]
        if known:
            traces.append(_marks(judge, t(f"review.{word}"), known))
    figure = panels(
        [Panel(t("review.chart"), t("review.chart_unit"), traces)], x_title="", legend=True
    )
    layout = figure["layout"]
    layout["hovermode"] = "closest"
    layout["margin"]["l"] = 24
    layout["annotations"][0]["xshift"] = -16  # the title: there are no tick labels to clear here
    layout["xaxis"] |= {"range": [-2, 102], "tickvals": [0, 25, 50, 75, 100]}
    layout["yaxis"] |= {
        "range": [len(duels) - 0.4, -0.75],
        "showticklabels": False,
        "showgrid": False,
        "zeroline": False,
    }
    layout["shapes"].append(
        {
            "type": "line",
            "x0": 50,
            "x1": 50,
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "layer": "below",
            "line": {"color": "@muted", "width": 1, "dash": "dash"},
        }
    )
    for place, duel in enumerate(duels):
        subject, other = _short(duel.subject.label), _short(duel.other.label)
        text = t("review.against", subject=subject, other=other)
        layout["annotations"].append(
            {
                "text": text,
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
                "y": place - 0.45,
                "yref": "y",
                "showarrow": False,
                "font": {"color": "@ink", "size": 13},
                "bgcolor": "@paper/0.8",
            }
        )
    return figure


def _marks(judge: str, label: str, known: list[tuple[int, Interval]]) -> dict[str, Any]:
    shift = {"human": -0.15, "reward_model": 0.05, "gold": 0.25}[judge]
    values = [100 * (rate.value or 0.0) for _, rate in known]
    highs = [100 * (rate.high or 0.0) for _, rate in known]
    lows = [100 * (rate.low or 0.0) for _, rate in known]
    colour = f"@{COLOURS[judge]}"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label,
        "uid": judge,
        "x": values,
        "y": [place + shift for place, _ in known],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "color": colour,
            "thickness": 2,
            "width": 6,
            "array": [high - value for high, value in zip(highs, values, strict=True)],
            "arrayminus": [value - low for low, value in zip(lows, values, strict=True)],
        },
        "marker": {"color": colour, "size": 11, "symbol": SYMBOLS[judge]},
        "showlegend": True,
        "cliponaxis": False,
        "hovertemplate": f"{label}: %{{x:.0f}} %<extra></extra>",
    }


def _short(label: str) -> str:
    """A label on one line of a chart, with nothing the chart would read as markup."""
    return html.escape(textwrap.shorten(label, 44, placeholder="…"), quote=False)
