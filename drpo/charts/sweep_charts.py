"""A sweep of a grid as a heat map, and how much each setting accounts for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from drpo.charts import figures
from drpo.charts.figures import Figure, Panel
from drpo.charts.sweep_cells import cell_text, levels, setting_text
from drpo.i18n import t
from drpo.sweep import Cell


def heatmap(
    cells: Sequence[Cell],
    x: str,
    y: str,
    *,
    title: str,
    unit: str,
    meaning: str = "muted",
    changed: Collection[str] = (),
) -> Figure:
    """Cells as a table in colour: mean, half the interval, seeds; what was not run says so.

    Args:
        cells: Cells that differ in `x` and `y` only.
        x: The setting across.
        y: The setting upwards; empty where only `x` differs, and the cells are one row.
        title: What the means are means of.
        unit: Its unit.
        meaning: Its colour.
        changed: Runs in which a setting was changed in mid-run; their cells say so.
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
            layout["annotations"].append(_label(cell, across_at, up_at, changed))
            if cell is None or cell.mean is None:
                layout["shapes"].append(_outline(across_at, up_at, "@line", 1))
            elif cell.mean == best:
                layout["shapes"].append(_outline(across_at, up_at, "@ink", 2))
    return figure


def _places(values: Sequence[Any]) -> dict[str, Any]:
    """An axis with one place a value."""
    return {
        "tickvals": list(range(len(values))),
        "ticktext": [setting_text(value) for value in values],
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


def _mean(cell: Cell | None) -> float | None:
    return None if cell is None else cell.mean


def _label(cell: Cell | None, x: int, y: int, changed: Collection[str]) -> dict[str, Any]:
    """The text in a cell; the middle line is the number, the others are small."""
    return {
        "x": x,
        "y": y,
        "xref": "x",
        "yref": "y",
        "showarrow": False,
        "name": "cell",
        "text": cell_text(cell, changed),
        "font": {"color": "@ink", "size": 13},
        "align": "center",
        **({} if cell is not None and cell.mean is not None else {"opacity": 0.75}),
    }
