"""Tables to figures: pure functions from a run's series to Plotly figures.

Colours are names of meanings (see `palette`), numbers are float32, long series are thinned to about
a thousand points. An interval is a band of 1.96 standard errors; a value without one is drawn
lighter.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from tsdownsample import MinMaxLTTBDownsampler

from drpo.analysis.metric_series import Series
from drpo.charts.annotations import Annotation, add_annotations

POINTS = 1000
SHORT = 8
"""Steps below which Plotly would put ticks between whole ones and write these twice."""
Z95 = 1.96
"""Two-sided 95 % of a normal distribution."""

Figure = dict[str, Any]
Trace = dict[str, Any]


class RunSeries(Protocol):
    """Anything that knows a run's series: a `Feed` of the store, or a test's own."""

    def get(self, name: str) -> Series:
        """One metric by name; empty where there is none."""


def downsample(series: Series, points: int = POINTS) -> Series:
    """Keep about so many points of a series; extremes stay."""
    if len(series) <= points:
        return series
    kept = MinMaxLTTBDownsampler().downsample(
        series.steps.astype(np.float64), series.values, n_out=points
    )
    return Series(series.steps[kept], series.values[kept])


def packed(values: ArrayLike) -> dict[str, str]:
    """Numbers in Plotly's binary form: a tenth of the time and half the bytes of a JSON list."""
    array = np.asarray(values, dtype=np.float32)
    return {"dtype": "f4", "bdata": base64.b64encode(array.tobytes()).decode("ascii")}


def line(
    series: Series,
    name: str,
    meaning: str,
    *,
    width: float = 2,
    dash: str = "solid",
    opacity: float = 1.0,
    markers: bool = False,
    axis: str = "",
    legend: bool = True,
    hover: str = "",
) -> Trace:
    """One series as a line.

    Args:
        series: Steps and values.
        name: What the legend and the hover box call it.
        meaning: A colour of `palette.COLOURS`.
        width: Pixels.
        dash: Plotly's dash style.
        opacity: Below 1 for values without an interval.
        markers: Show each point; for evaluations, which are few.
        axis: Number of the panel's axes, "" for the first.
        legend: Whether the legend lists it.
        hover: Unit written after the value in the hover box.
    """
    drawn = downsample(series)
    return {
        "type": "scatter",
        "mode": "lines+markers" if markers or len(drawn) == 1 else "lines",
        "x": packed(drawn.steps),
        "y": packed(drawn.values),
        "name": name,
        "uid": f"{name}{axis}",
        "legendgroup": name,
        "showlegend": legend,
        "opacity": opacity,
        "line": {"color": f"@{meaning}", "width": width, "dash": dash},
        "marker": {"color": f"@{meaning}", "size": 5},
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "hovertemplate": f"%{{y:.3~g}} {hover}",
    }


def band(
    series: Series, errors: Series, name: str, meaning: str, *, axis: str = "", log: bool = False
) -> list[Trace]:
    """The interval around a series, as a filled ribbon; none where errors are missing.

    Args:
        series: The middle.
        errors: Its standard errors.
        name: The line's name.
        meaning: A colour of `palette.COLOURS`.
        axis: Number of the panel's axes, "" for the first.
        log: Whether it lies on a log axis; all of `series` must then be above 0.
    """
    steps, at, of_error = np.intersect1d(series.steps, errors.steps, return_indices=True)
    if not len(steps):
        return []
    middle, half = series.values[at], Z95 * errors.values[of_error]
    low = middle - half
    if log:
        # What reaches down to 0 has no end on such an axis; a decade below the line looks like it.
        low = np.maximum(low, middle.min() / 10)
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": packed(np.concatenate([steps, steps[::-1]])),
            "y": packed(np.concatenate([middle + half, low[::-1]])),
            "fill": "toself",
            "fillcolor": f"@{meaning}/0.18",
            "line": {"width": 0, "color": f"@{meaning}"},
            "hoverinfo": "skip",
            "legendgroup": name,
            "name": f"{name} 95%",
            "uid": f"{name}-band{axis}",
            "showlegend": False,
            "xaxis": f"x{axis}",
            "yaxis": f"y{axis}",
        }
    ]


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot area: its heading with the unit, and its traces."""

    title: str
    unit: str
    traces: Sequence[Trace]
    log: bool = False
    range: tuple[float, float] | None = None
    """Fixed y range, where two figures must compare."""
    zero: bool = False
    """Whether the axis must reach down to 0."""


def ground(*, legend: bool, bottom: int) -> dict[str, Any]:
    """What every figure over an x axis has: margins, what hovering shows, a legend at the foot.

    Args:
        legend: Whether to show the legend.
        bottom: Pixels under the axis.
    """
    return {
        "margin": {"l": 52, "r": 16, "t": 34, "b": bottom},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "@paper", "bordercolor": "@line", "font": {"color": "@ink"}},
        "showlegend": legend,
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 0,
            "yref": "container",
            "yanchor": "bottom",
            "font": {"color": "@ink"},
            "bgcolor": "rgba(0,0,0,0)",
        },
    }


def panels(
    parts: Sequence[Panel],
    *,
    x_title: str,
    annotations: Iterable[Annotation] = (),
    legend: bool = True,
    until: int = 0,
) -> Figure:
    """Stack plot areas over one common x axis.

    Args:
        parts: From top to bottom; their traces must carry the axis numbers "", "2", ...
        x_title: What the x axis counts.
        annotations: Thin vertical lines through all areas, with their labels at the top.
        legend: Whether to show a legend under the figure.
        until: Last step of the plan; the axis then spans all of it from the first point on, so
            that nothing moves when points arrive.
    """
    layout = {
        **ground(legend=legend, bottom=44),
        "annotations": [],
        "shapes": [],
    }
    entries = sum(bool(trace.get("showlegend")) for part in parts for trace in part.traces)
    if legend:
        layout["margin"]["b"] = 70 if entries <= 3 else 94
    gap = 0.16 if len(parts) > 1 else 0
    height = (1 - gap * (len(parts) - 1)) / max(1, len(parts))
    for index, part in enumerate(parts):
        bottom = 1 - height - index * (height + gap)
        _add_panel(layout, part, index, len(parts), (max(0.0, bottom), bottom + height))
    if until:
        for index in range(len(parts)):
            layout[_axis("xaxis", index)] |= {
                "range": [-0.01 * until, 1.01 * until],
                "hoverformat": ",d",
                "tickformat": ",d",
                **({"dtick": 1} if until < SHORT else {}),
            }
    layout["annotations"].append(
        {
            "text": x_title,
            "x": 1,
            "xref": "paper",
            "xanchor": "right",
            "y": 0,
            "yref": "paper",
            "yanchor": "top",
            "yshift": -22,
            "showarrow": False,
            "font": {"color": "@muted", "size": 13},
        }
    )
    add_annotations(layout, list(annotations), until)
    return {"data": [trace for part in parts for trace in part.traces], "layout": layout}


def _axis(name: str, index: int) -> str:
    return name if index == 0 else f"{name}{index + 1}"


def _add_panel(
    layout: dict[str, Any], part: Panel, index: int, total: int, domain: tuple[float, float]
) -> None:
    lines: dict[str, Any] = {
        "gridcolor": "@line",
        "linecolor": "@line",
        "zerolinecolor": "@line",
        "tickfont": {"color": "@muted"},
        "automargin": False,
    }
    last = index == total - 1
    layout[_axis("xaxis", index)] = {
        **lines,
        "domain": [0, 1],
        "anchor": _axis("y", index),
        "showticklabels": last,
        "showgrid": False,
        "ticks": "outside" if last else "",
        "tickcolor": "@line",
        "hoverformat": ".3~g",
        "tickformat": "~g",
        "nticks": 8,
        "rangemode": "tozero",
        **({"matches": "x"} if index else {}),
    }
    layout[_axis("yaxis", index)] = {
        **lines,
        "domain": list(domain),
        "anchor": _axis("x", index),
        # With more, a log axis labels each of 1 to 9 and these lie over each other.
        "nticks": 3 if part.log else 6,
        "tickformat": ".3~g",
        "type": "log" if part.log else "linear",
        "zeroline": not part.log,
        "exponentformat": "power",
        **({"range": list(part.range)} if part.range else {}),
        **({"rangemode": "tozero"} if part.zero else {}),
    }
    layout["annotations"].append(
        {
            "text": f"<b>{part.title}</b>  {part.unit}",
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "xshift": -44,
            "y": domain[1],
            "yref": "paper",
            "yanchor": "bottom",
            "yshift": 8,
            "showarrow": False,
            "font": {"color": "@muted", "size": 13},
            "align": "left",
        }
    )


def smooth(series: Series, weight: float) -> Series:
    """An exponential moving average without the pull towards 0 at its start.

    Args:
        series: What to smooth.
        weight: Share of the past in each value; 0 changes nothing.
    """
    if weight <= 0 or len(series) < 2:
        return series
    values = np.empty(len(series), np.float32)
    total = mass = 0.0
    for index, value in enumerate(series.values):
        total = weight * total + (1 - weight) * float(value)
        mass = weight * mass + (1 - weight)
        values[index] = total / mass
    return Series(series.steps, values)
