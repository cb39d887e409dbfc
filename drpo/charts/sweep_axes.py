"""Cells of a sweep along numeric axes: drawn cells as points, and lines through the settings."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from drpo.charts import figures
from drpo.charts.figures import Figure, Panel
from drpo.charts.sweep_cells import cell_name, cell_text, levels, setting_text
from drpo.i18n.format import MINUS
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
    cells: Sequence[Cell],
    names: Sequence[str],
    *,
    title: str,
    meaning: str = "muted",
    changed: Collection[str] = (),
) -> Figure:
    """Every cell with a mean as a line through its settings, ending at its mean.

    Plain lines: Plotly's own parallel coordinates compile what they draw with, and a page that
    lets them could be made to run other text as well.

    Args:
        cells: All cells of the sweep.
        names: Its settings, from left to right.
        title: What the means are means of.
        meaning: Its colour; the better a cell, the stronger.
        changed: Runs in which a setting was changed in mid-run; their cells say so.
    """
    shown = sorted(
        (cell for cell in cells if cell.mean is not None), key=lambda cell: cell.mean or 0.0
    )
    axes = [_axis(shown, name) for name in names if len(levels(shown, name)) > 1]
    if not axes:
        return {"data": [], "layout": {}}
    axes.append(_mean_axis(shown, title))
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "uid": cell.key,
            "x": list(range(len(axes))),
            "y": [axis.heights[at] for axis in axes],
            # The last ones are drawn over the others: the better the cell, the later.
            "line": {"color": f"@{meaning}/{_strength(axes[-1].heights[at])}", "width": 2},
            "marker": {"color": f"@{meaning}/{_strength(axes[-1].heights[at])}", "size": 6},
            "cliponaxis": False,
            "hovertext": f"{cell_name(cell)}<br>{cell_text(cell, changed)}",
            "hovertemplate": "%{hovertext}<extra></extra>",
        }
        for at, cell in enumerate(shown)
    ]
    still: dict[str, Any] = {"visible": False, "fixedrange": True}
    layout = {
        **figures.ground(legend=False, bottom=24),
        "margin": {"l": 70, "r": 80, "t": 56, "b": 24},
        "hovermode": "closest",
        "xaxis": {**still, "range": [0, len(axes) - 1]},
        "yaxis": {**still, "range": [-0.02, 1.02]},
        "shapes": [_upright(place) for place in range(len(axes))],
        "annotations": [
            note
            for place, axis in enumerate(axes)
            for note in _notes(axis, place, last=place == len(axes) - 1)
        ],
    }
    return {"data": traces, "layout": layout}


@dataclass(frozen=True, slots=True)
class _ParallelAxis:
    """One upright axis: where every cell lies on it, and what is written beside it."""

    label: str
    heights: list[float]
    """Of the cells, in [0, 1]."""
    ticks: list[tuple[float, str]]
    """Heights with their texts."""


def _axis(cells: Sequence[Cell], name: str) -> _ParallelAxis:
    known = levels(cells, name)
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in known):
        values = [float(cell.values[name]) for cell in cells]
        log = _wide(cells, name)
        ticks = known if len(known) <= FEW else _round_values(min(values), max(values), log=log)
        scale = math.log10 if log else float
        return _scaled(
            name, [scale(v) for v in values], [(scale(v), setting_text(v)) for v in ticks]
        )
    places = [float(known.index(cell.values[name])) for cell in cells]
    return _scaled(name, places, [(float(at), setting_text(v)) for at, v in enumerate(known)])


def _mean_axis(cells: Sequence[Cell], title: str) -> _ParallelAxis:
    means = [cell.mean or 0.0 for cell in cells]
    round_ones = _round_values(min(means), max(means), log=False) if len(set(means)) > 1 else means
    return _scaled(title, means, [(v, setting_text(v).replace("-", MINUS)) for v in round_ones])


def _scaled(
    label: str, values: Sequence[float], ticks: Sequence[tuple[float, str]]
) -> _ParallelAxis:
    """An axis from the least value to the greatest; all in the middle where they are equal."""
    low, high = min(values), max(values)

    def height(value: float) -> float:
        return (value - low) / (high - low) if high > low else 0.5

    return _ParallelAxis(
        label, [height(v) for v in values], [(height(v), text) for v, text in ticks]
    )


def _strength(height: float) -> float:
    return round(0.3 + 0.7 * height, 3)


def _upright(place: int) -> dict[str, Any]:
    return {
        "type": "line",
        "layer": "below",
        "x0": place,
        "x1": place,
        "y0": 0,
        "y1": 1,
        "line": {"color": "@muted", "width": 1},
    }


def _notes(axis: _ParallelAxis, place: int, *, last: bool) -> list[dict[str, Any]]:
    """An axis's name above it, and its values on the side where no other axis begins."""
    common = {"x": place, "xref": "x", "yref": "y", "showarrow": False}
    head = {
        **common,
        "text": f"<b>{axis.label}</b>",
        "y": 1,
        "yanchor": "bottom",
        "yshift": 12,
        "font": {"color": "@ink", "size": 13},
    }
    values = [
        {
            **common,
            "text": text,
            "y": height,
            "xanchor": "left" if last else "right",
            "xshift": 8 if last else -8,
            "bgcolor": "@paper/0.75",
            "borderpad": 1,
            "font": {"color": "@muted", "size": 12},
        }
        for height, text in axis.ticks
    ]
    return [head, *values]


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
