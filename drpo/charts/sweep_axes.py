"""Cells of a sweep along numeric axes: drawn cells as points, and lines through the settings."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from drpo.charts import figures
from drpo.charts.figures import Figure, Panel
from drpo.charts.sweep_cells import cell_name, cell_text, levels, setting_text
from drpo.sweep import Cell

WIDE = 10
"""An axis whose largest value is more than so many times its smallest is a logarithm."""
FEW = 6
"""An axis of parallel lines with more values than this is labelled with round ones."""


def scatter(
    cells: Sequence[Cell],
    x: str,
    y: str,
    *,
    title: str,
    unit: str,
    meaning: str,
    changed: Collection[str] = (),
) -> Figure:
    """Drawn cells where their settings lie, coloured by their mean; those without one are rings.

    Args:
        cells: All cells of the sweep.
        x: The setting across, a number.
        y: The setting upwards, a number.
        title: What the means are means of.
        unit: Its unit.
        meaning: Its colour.
        changed: Runs in which a setting was changed in mid-run; their cells say so.
    """
    known = [cell for cell in cells if cell.mean is not None]
    means = [cell.mean or 0.0 for cell in known]
    best = max(means, default=None)
    scale = {
        "color": means,
        "colorscale": [[0, f"@{meaning}/0.1"], [1, f"@{meaning}"]],
        "size": 16,
        "line": {"color": "@ink", "width": [3 if mean == best else 1 for mean in means]},
        "showscale": True,
        "colorbar": {
            "thickness": 10,
            "outlinewidth": 0,
            "tickfont": {"color": "@muted"},
            "nticks": 5,
        },
    }
    waiting = {"symbol": "circle-open", "color": "@muted", "size": 12}
    open_cells = [cell for cell in cells if cell.mean is None]
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "uid": uid,
            "showlegend": False,
            "x": [cell.values[x] for cell in members],
            "y": [cell.values[y] for cell in members],
            "customdata": [cell.key for cell in members],
            "cliponaxis": False,
            "marker": marker,
            "hovertext": [f"{cell_name(cell)}<br>{cell_text(cell, changed)}" for cell in members],
            "hovertemplate": "%{hovertext}<extra></extra>",
        }
        for uid, members, marker in (("open", open_cells, waiting), ("known", known, scale))
        if members
    ]
    figure = figures.panels([Panel(title, unit, traces)], x_title=x, legend=False)
    layout = figure["layout"]
    layout["hovermode"] = "closest"
    layout["xaxis"] |= _reach(cells, x) | {"showgrid": True}
    layout["yaxis"] |= _reach(cells, y) | {
        "title": {"text": y, "font": {"color": "@muted", "size": 13}, "standoff": 8}
    }
    layout["margin"] |= {"l": 84}
    return figure


def _reach(cells: Sequence[Cell], name: str) -> dict[str, Any]:
    """An axis from somewhat below the least value to above the greatest: a point has a width."""
    log = _wide(cells, name)
    values = [math.log10(cell.values[name]) if log else float(cell.values[name]) for cell in cells]
    margin = 0.07 * (max(values) - min(values)) or 0.1
    low, high = min(values) - margin, max(values) + margin
    reach: dict[str, Any] = {
        "type": "log" if log else "linear",
        "zeroline": False,
        "range": [low, high],
    }
    if log:
        ticks = _round_values(10**low, 10**high, log=True)
        reach |= {"tickvals": ticks, "ticktext": [setting_text(tick) for tick in ticks]}
    return reach


def parallel(
    cells: Sequence[Cell], names: Sequence[str], *, title: str, meaning: str = "muted"
) -> Figure:
    """Every cell with a mean as a line through its settings, ending at its mean."""
    shown = [cell for cell in cells if cell.mean is not None]
    means = [cell.mean or 0.0 for cell in shown]
    axes = [_axis(shown, name) for name in names if len(levels(shown, name)) > 1]
    trace = {
        "type": "parcoords",
        "uid": "cells",
        "dimensions": [*axes, {"label": title, "values": means, "tickformat": ".3~g"}],
        "line": {
            "color": means,
            "colorscale": [[0, f"@{meaning}/0.15"], [1, f"@{meaning}"]],
            "cmin": min(means, default=0),
            "cmax": max(means, default=1),
        },
        "labelfont": {"color": "@ink"},
        "tickfont": {"color": "@muted"},
        "rangefont": {"color": "rgba(0,0,0,0)"},
    }
    return {
        "data": [trace] if shown and axes else [],
        "layout": {"margin": {"l": 70, "r": 80, "t": 56, "b": 24}, "showlegend": False},
    }


def _axis(cells: Sequence[Cell], name: str) -> dict[str, Any]:
    known = levels(cells, name)
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in known):
        values = [float(cell.values[name]) for cell in cells]
        log = _wide(cells, name)
        ticks = known if len(known) <= FEW else _round_values(min(values), max(values), log=log)
        scale = math.log10 if log else float
        return {
            "label": name,
            "values": [scale(v) for v in values],
            "tickvals": [scale(v) for v in ticks],
            "ticktext": [setting_text(v) for v in ticks],
        }
    return {
        "label": name,
        "values": [known.index(cell.values[name]) for cell in cells],
        "tickvals": list(range(len(known))),
        "ticktext": [setting_text(v) for v in known],
    }


def _wide(cells: Sequence[Cell], name: str) -> bool:
    """Whether a coefficient of .01 and one of 1 lie there, which belong apart from .02."""
    values = [float(cell.values[name]) for cell in cells]
    return min(values) > 0 and max(values) / min(values) > WIDE


def _round_values(low: float, high: float, *, log: bool) -> list[float]:
    """A few values to label an axis of many with: 1 and 3 of each decade, or equal steps."""
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        return [v for d in decades for v in (10.0**d, 3 * 10.0**d) if low <= v <= high]
    step = 10.0 ** math.floor(math.log10((high - low) or 1.0))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if (high - low) / s <= FEW)
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
