"""Several runs in one figure: told apart by line style and a label at its end, then colour."""

from __future__ import annotations

import base64
import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from drpo import metrics
from drpo.analysis.metric_series import Series
from drpo.charts import figures
from drpo.charts.figures import Figure, Panel, RunSeries, Trace
from drpo.charts.palette import DASHES
from drpo.i18n import t
from drpo.metrics import words

LABEL_WIDTH = 22
"""Letters in one of a label's two lines."""
LABEL_GAP = 0.125
"""Least distance of two labels, as a share of the axis."""


@dataclass(frozen=True, slots=True)
class RunGroup:
    """One line of a comparison: a run, or the runs that differ only in their seed."""

    label: str
    members: Sequence[RunSeries]
    run_ids: Sequence[str] = ()
    """The sources' runs, where a point can be opened."""


def chart_label(text: str) -> str:
    """A run's name as chart text: in two short lines, with nothing the chart reads as markup."""
    lines = textwrap.wrap(text, LABEL_WIDTH, max_lines=2, placeholder="…")
    return "<br>".join(html.escape(line, quote=False) for line in lines)


def over_steps(runs: Sequence[RunGroup], name: str) -> Figure:
    """One metric of all runs over the policy updates, with 95 % bands."""
    traces: list[Trace] = []
    ends: list[tuple[int, float, str]] = []
    for index, run in enumerate(runs):
        middle, errors = mean_and_error(run, name)
        if not len(middle):
            continue
        label, colour = chart_label(run.label), f"run-{index % 6}"
        measured = [source for source in run.members if len(source.get(name))]
        traces += figures.band(middle, widened(errors, len(measured)), label, colour)
        if len(measured) > 1:
            traces += [
                figures.line(source.get(name), label, colour, width=1, opacity=0.45, legend=False)
                for source in measured
            ]
        traces.append(
            figures.line(middle, label, colour, width=2.5, dash=DASHES[index % 6], legend=False)
        )
        ends.append((index, float(middle.values[-1]), label))
    # The lines of one group share their label, and lines of equal uid would be drawn once.
    traces = [{**trace, "uid": f"{place}-{name}"} for place, trace in enumerate(traces)]
    figure = figures.panels(
        [Panel(*words.heading(name), traces)], x_title=t("charts.updates"), legend=False
    )
    if traces and any(len(run.members) > 1 for run in runs):
        # The band of two seeds is so wide that it would flatten the lines it belongs to.
        figure["layout"]["yaxis"]["range"] = _reached(traces, margin=0.35)
    label_ends(figure, ends)
    return figure


def widened(errors: Series, seeds: int) -> Series:
    """A standard error over few seeds, such that 1.96 of it are Student's 95 % interval."""
    if seeds < 2:
        return errors
    factor = stats.t.ppf(0.975, seeds - 1) / figures.Z95
    return Series(errors.steps, (factor * errors.values).astype(np.float32))


def mean_and_error(run: RunGroup, name: str) -> tuple[Series, Series]:
    """A line and its standard error: the run's own, or mean and spread over seeds.

    With several seeds only the steps are drawn that all of them have reached; a seed that has not
    begun holds nobody up.
    """
    measured = [source for source in run.members if len(source.get(name))]
    series = [source.get(name) for source in measured]
    if len(measured) < 2:
        source = (measured or run.members)[0]
        return source.get(name), source.get(metrics.error_of(name))
    steps = series[0].steps
    for other in series[1:]:
        steps = np.intersect1d(steps, other.steps)
    values = np.stack([one.values[np.isin(one.steps, steps)] for one in series])
    spread = values.std(axis=0, ddof=1) / np.sqrt(len(series))
    return (
        Series(steps, values.mean(axis=0).astype(np.float32)),
        Series(steps, spread.astype(np.float32)),
    )


def spread_out(values: Sequence[float], gap: float) -> list[float]:
    """Move numbers apart until neighbours differ by at least `gap`; their order stays."""
    order = np.argsort(values, kind="stable")
    placed = np.array([values[i] for i in order], dtype=float)
    for index in range(1, len(placed)):
        placed[index] = max(placed[index], placed[index - 1] + gap)
    # The push went upwards only; centre it again on where the numbers were.
    placed -= np.mean(placed) - np.mean(values)
    result = np.empty(len(placed))
    result[order] = placed
    return [float(value) for value in result]


def label_ends(figure: Figure, ends: Sequence[tuple[int, float, str]]) -> None:
    """Write each line's label beside its last value: (index, value, label)."""
    if not ends:
        return
    figure["layout"]["margin"]["r"] = 150
    values = [value for _, value, _ in ends]
    span = max(values) - min(values)
    reach = _reach(figure) or span or 1.0
    for (index, _, label), y in zip(ends, spread_out(values, LABEL_GAP * reach), strict=True):
        figure["layout"]["annotations"].append(
            {
                "text": label,
                "x": 1,
                "xref": "paper",
                "xanchor": "left",
                "xshift": 6,
                "y": y,
                "yref": "y",
                "showarrow": False,
                "align": "left",
                "font": {"color": f"@run-{index % 6}", "size": 12},
            }
        )


def _reach(figure: Figure) -> float:
    """How far the y axis reaches, from the numbers drawn on it."""
    low, high = figure["layout"]["yaxis"].get("range") or _reached(figure["data"])
    return float(high - low)


def _reached(traces: Sequence[Trace], margin: float = 0.0) -> list[float]:
    """From the lowest to the highest number of the traces, and a share of that beyond.

    With a margin the bands are left out: they may go beyond the figure.
    """
    numbers = np.concatenate(
        [
            np.frombuffer(base64.b64decode(trace["y"]["bdata"]), dtype=np.float32)
            for trace in traces
            if not (margin and trace.get("fill"))
        ]
    )
    low, high = float(numbers.min()), float(numbers.max())
    reach = (high - low) or 1.0
    # What is never negative keeps its axis at 0, whatever a wide band would suggest.
    least = -0.03 * reach if low >= 0 else -np.inf
    return [max(low - margin * reach, least) if margin else low, high + margin * reach]
