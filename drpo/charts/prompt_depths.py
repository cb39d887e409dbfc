"""How much of their answers prompts are given over a run: where a rule of depth leads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from drpo.charts import figures
from drpo.charts.figures import Figure, Panel
from drpo.i18n import t

LINES = 12
"""Prompts drawn by themselves: those that were reset most often."""
COLUMNS = ["step", "item", "share"]


def prompt_depths(rows: Sequence[tuple[int, int, float]]) -> Figure:
    """Draw the share given over updates: the middle of all prompts, half of them, and some singly.

    Args:
        rows: What `Samples.depth_by_prompt` returns.
    """
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["share"] *= 100
    spread = table.groupby("step")["share"].quantile(np.array([0.25, 0.5, 0.75])).unstack()
    traces = [
        _line(one, t("resets.one_prompt", item=int(item)), {"color": "@muted", "width": 1}, 0.45)
        for item, one in _often(table)
    ]
    x = [int(step) for step in spread.index]
    band = [float(value) for value in spread[0.75]] + [float(v) for v in spread[0.25]][::-1]
    traces += [
        {
            "type": "scatter",
            "mode": "lines",
            "x": x + x[::-1],
            "y": band,
            "fill": "toself",
            "fillcolor": "@reset/0.18",
            "line": {"width": 0},
            "name": t("resets.half_of_prompts"),
            "uid": "half",
            "hoverinfo": "skip",
            "showlegend": True,
        },
        {
            "type": "scatter",
            "mode": "lines",
            "x": x,
            "y": [float(value) for value in spread[0.5]],
            "name": t("resets.middle_prompt"),
            "uid": "middle",
            "line": {"color": "@reset", "width": 3},
            "showlegend": True,
            "hovertemplate": "%{x}: %{y:.0f} %",
        },
    ]
    panel = Panel(t("resets.prompt_depths"), "%", traces)
    figure = figures.panels([panel], x_title=t("charts.updates"))
    figure["layout"]["yaxis"] |= {"range": [-3, 103], "rangemode": "normal"}
    return figure


def _often(table: pd.DataFrame) -> list[tuple[int, pd.DataFrame]]:
    """The prompts that were reset most often, at least twice, the most often first."""
    counts = table["item"].value_counts()
    often = [item for item in counts.index[:LINES] if counts[item] > 1]
    return [(item, table[table["item"] == item]) for item in often]


def _line(one: pd.DataFrame, name: str, line: dict[str, object], opacity: float) -> figures.Trace:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": figures.packed([float(step) for step in one["step"]]),
        "y": figures.packed([float(share) for share in one["share"]]),
        "name": name,
        "uid": name,
        "line": {**line, "shape": "hv"},
        "marker": {"size": 4},
        "opacity": opacity,
        "showlegend": False,
        "hovertemplate": "%{x}: %{y:.0f} %",
    }
