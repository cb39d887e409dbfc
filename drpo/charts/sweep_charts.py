"""The figures of a sweep: the heat map of its cells, importance, parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from drpo.charts import figures
from drpo.charts.figures import Figure, Panel
from drpo.i18n import t
from drpo.i18n.format import MINUS, number
from drpo.sweep import Cell

WIDE = 10
"""An axis whose largest value is more than so many times its smallest is a logarithm."""
FEW = 6
"""An axis of parallel lines with more values than this is labelled with round ones."""


def said(value: object) -> str:
    """A setting's value as axes and labels write it."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def state_words(cell: Cell) -> str:
    """How a cell stands."""
    return t(f"sweep.state_{cell.state.replace(' ', '_')}")


def cell_name(cell: Cell) -> str:
    """A cell's settings in short."""
    return ", ".join(f"{name} {said(value)}" for name, value in cell.values.items())


def heat(
    cells: Sequence[Cell],
    x: str,
    y: str,
    *,
    title: str,
    unit: str,
    meaning: str = "muted",
    turned: Collection[str] = (),
) -> Figure:
    """Cells as a table in colour: mean, half the interval, seeds; what was not run says so.

    Args:
        cells: Cells that differ in `x` and `y` only.
        x: The setting across.
        y: The setting upwards; empty where only `x` differs, and the cells are one row.
        title: What the means are means of.
        unit: Its unit.
        meaning: Its colour.
        turned: Runs in which a knob was turned in mid-run; their cells say so.
    """
    across, up = levels(cells, x), levels(cells, y) if y else [""]
    by_place = {(cell.values[x], cell.values[y] if y else ""): cell for cell in cells}
    rows = [[by_place.get((a, b)) for a in across] for b in up]
    known = [cell.mean for row in rows for cell in row if cell and cell.mean is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    trace: dict[str, Any] = {
        "type": "heatmap",
        "uid": "cells",
        "x": list(range(len(across))),
        "y": list(range(len(up))),
        "z": [[_mean(cell) for cell in row] for row in rows],
        # What a click on a cell tells.
        "customdata": [[cell.key if cell else "" for cell in row] for row in rows],
        "xgap": 3,
        "ygap": 3,
        "showscale": False,
        "hoverinfo": "none",
        "hoverongaps": False,
        "colorscale": [[0, f"@{meaning}/0.08"], [1, f"@{meaning}/0.55"]],
        "zmin": low,
        "zmax": high if high > low else low + 1,
    }
    figure = figures.panels([Panel(title, unit, [trace])], x_title=x, legend=False)
    layout = figure["layout"]
    layout["hovermode"] = "closest"
    # Places, not values: 0.05 and 0.8 are neighbours, and "1" is not the second of three.
    layout["xaxis"] |= _places(across)
    layout["yaxis"] |= _places(up) | {
        "title": {"text": y, "font": {"color": "@muted", "size": 13}, "standoff": 8},
    }
    layout["margin"] |= {"l": 84}
    best = max(known, default=None)
    for up_at, row in enumerate(rows):
        for across_at, cell in enumerate(row):
            layout["annotations"].append(_label(cell, across_at, up_at, turned))
            if cell is None or cell.mean is None:
                layout["shapes"].append(_outline(across_at, up_at, "@line", 1))
            elif cell.mean == best:
                layout["shapes"].append(_outline(across_at, up_at, "@ink", 2))
    return figure


def _places(values: Sequence[Any]) -> dict[str, Any]:
    """An axis with one place a value."""
    return {
        "tickvals": list(range(len(values))),
        "ticktext": [said(value) for value in values],
        "showticklabels": True,
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "range": [-0.5, len(values) - 0.5],
    }


def _outline(x: int, y: int, colour: str, width: float) -> dict[str, Any]:
    return {
        "type": "rect",
        "x0": x - 0.49,
        "x1": x + 0.49,
        "y0": y - 0.48,
        "y1": y + 0.48,
        "line": {"color": colour, "width": width},
    }


def levels(cells: Sequence[Cell], name: str) -> list[Any]:
    """The values that cells have on an axis, numbers in their order."""
    values = list(dict.fromkeys(cell.values[name] for cell in cells))
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return sorted(values) if numbers else values


def importance(shares: Mapping[str, float]) -> Figure:
    """The settings' weights as bars, the largest on top."""
    ordered = sorted(shares.items(), key=lambda pair: pair[1])
    names = [t("sweep.interaction") if n == "interaction" else n for n, _ in ordered]
    trace = {
        "type": "bar",
        "orientation": "h",
        "uid": "importance",
        "y": names,
        "x": [100 * share for _, share in ordered],
        "marker": {"color": "@ink/0.65"},
        "text": [f"{100 * share:.0f} %" for _, share in ordered],
        "textposition": "outside",
        "textfont": {"color": "@ink"},
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
    panel = Panel(t("sweep.importance"), "", [trace])
    figure = figures.panels([panel], x_title=f"{t('sweep.share')} (%)", legend=False)
    figure["layout"]["yaxis"] |= {"type": "category", "tickformat": "", "automargin": True}
    figure["layout"]["xaxis"] |= {"range": [0, 100]}
    figure["layout"]["margin"] |= {"r": 52}
    figure["layout"]["hovermode"] = False
    figure["layout"]["annotations"].pop(0)
    return figure


def points(
    cells: Sequence[Cell],
    x: str,
    y: str,
    *,
    title: str,
    unit: str,
    meaning: str,
    turned: Collection[str] = (),
) -> Figure:
    """Drawn cells where their settings lie, coloured by their mean; those without one are rings.

    Args:
        cells: All cells of the sweep.
        x: The setting across, a number.
        y: The setting upwards, a number.
        title: What the means are means of.
        unit: Its unit.
        meaning: Its colour.
        turned: Runs in which a knob was turned in mid-run; their cells say so.
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
            "hovertext": [f"{cell_name(cell)}<br>{cell_text(cell, turned)}" for cell in members],
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


def _wide(cells: Sequence[Cell], name: str) -> bool:
    """Whether a coefficient of .01 and one of 1 lie there, which belong apart from .02."""
    values = [float(cell.values[name]) for cell in cells]
    return min(values) > 0 and max(values) / min(values) > WIDE


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
        reach |= {"tickvals": ticks, "ticktext": [said(tick) for tick in ticks]}
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
            "ticktext": [said(v) for v in ticks],
        }
    return {
        "label": name,
        "values": [known.index(cell.values[name]) for cell in cells],
        "tickvals": list(range(len(known))),
        "ticktext": [said(v) for v in known],
    }


def _round_values(low: float, high: float, *, log: bool) -> list[float]:
    """A few values to label an axis of many with: 1 and 3 of each decade, or equal steps."""
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        return [v for d in decades for v in (10.0**d, 3 * 10.0**d) if low <= v <= high]
    step = 10.0 ** math.floor(math.log10((high - low) or 1.0))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if (high - low) / s <= FEW)
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _mean(cell: Cell | None) -> float | None:
    return None if cell is None else cell.mean


def _label(cell: Cell | None, x: int, y: int, turned: Collection[str]) -> dict[str, Any]:
    """The text in a cell; the middle line is the number, the others are small."""
    return {
        "x": x,
        "y": y,
        "xref": "x",
        "yref": "y",
        "showarrow": False,
        "name": "cell",
        "text": cell_text(cell, turned),
        "font": {"color": "@ink", "size": 13},
        "align": "center",
        **({} if cell is not None and cell.mean is not None else {"opacity": 0.75}),
    }


def cell_text(cell: Cell | None, turned: Collection[str] = ()) -> str:
    """A cell in words: its mean with the interval and seeds, or why it has none."""
    if cell is None:
        return t("sweep.state_not_run")
    by_hand = [f"<i>{t('sweep.cell_turned')}</i>"] * any(run.id in turned for run in cell.runs)
    if cell.mean is None:
        return "<br>".join([state_words(cell), *by_hand])
    lines = [f"<b>{number(cell.mean)}</b>"]
    if cell.interval is not None:
        half = (cell.interval[1] - cell.interval[0]) / 2
        lines.append(f"± {number(half)}")
    lines.append(t("sweep.cell_seeds", n=cell.n))
    if cell.state != "done":
        lines.append(f"<i>{state_words(cell)}</i>")
    return "<br>".join([*lines, *by_hand]).replace("-", MINUS)
