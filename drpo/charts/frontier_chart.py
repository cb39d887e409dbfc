"""What reward was bought with how much KL, run beside run, one point a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drpo import metrics
from drpo.charts import figures
from drpo.charts.compare_charts import RunGroup, chart_label, label_ends, mean_and_error
from drpo.charts.figures import Figure, Panel, Trace
from drpo.charts.palette import DASHES
from drpo.charts.run_charts import at_common_steps
from drpo.i18n import t
from drpo.i18n.format import number
from drpo.metrics import words


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint as the frontier shows it."""

    run_id: str
    step: int
    kl: float
    reward: float
    error: float | None = None
    """Standard error of the reward."""


def frontier(
    runs: Sequence[RunGroup],
    name: str,
    *,
    budget: float | None = None,
    chosen: tuple[str, int] | None = None,
    same_start: bool = False,
) -> Figure:
    """Reward against KL, one point a checkpoint; the start policy is where all lines begin.

    Args:
        runs: What is compared; of several seeds each is a light line, their mean a strong one.
        name: The reward's metric.
        budget: The most KL that is wanted, as a line.
        chosen: Run and step of the point that is open below.
        same_start: Whether all runs began at one policy, which then anchors the figure.
    """
    traces: list[Trace] = []
    ends: list[tuple[int, float, str]] = []
    for index, run in enumerate(runs):
        found = [_points(run, place, name) for place in range(len(run.members))]
        of_seeds = [points for points in found if points]
        label = chart_label(run.label)
        traces += [_path(points, index, label, light=len(of_seeds) > 1) for points in of_seeds]
        if len(of_seeds) > 1:
            traces.append(_mean_path(run, name, index, label))
        if of_seeds:
            last = [points[-1].reward for points in of_seeds]
            ends.append((index, float(np.mean(last)), label))
    points = [
        p for run in runs for place in range(len(run.members)) for p in _points(run, place, name)
    ]
    ring = [p for p in points if (p.run_id, p.step) == chosen]
    if ring:
        traces.append(_ring(ring[0]))
    traces = [{**trace, "uid": f"{place}"} for place, trace in enumerate(traces)]
    figure = figures.panels(
        [Panel(*words.heading(name), traces)], x_title=t("charts.kl_axis"), legend=False
    )
    figure["layout"]["hovermode"] = "closest"
    if points and same_start:
        _level(figure, float(np.mean([p.reward for p in points if p.step == 0] or [np.nan])))
    if points and budget is not None:
        _budget(figure, budget, max(p.kl for p in points))
    label_ends(figure, ends)
    return figure


def best_within(runs: Sequence[RunGroup], name: str, budget: float) -> Point | None:
    """The checkpoint with the highest reward among those within a KL budget."""
    within = [
        point
        for run in runs
        for place in range(len(run.members))
        for point in _points(run, place, name)
        if point.kl <= budget
    ]
    return max(within, key=lambda point: point.reward, default=None)


def _points(run: RunGroup, place: int, name: str) -> list[Point]:
    """The checkpoints of one source at which both reward and KL were measured."""
    source = run.members[place]
    run_id = run.run_ids[place] if run.run_ids else ""
    steps, x, y = at_common_steps(source.get(metrics.EVAL_KL), source.get(name))
    errors = source.get(metrics.error_of(name))
    known = dict(zip(errors.steps.tolist(), errors.values.tolist(), strict=True))
    return [
        Point(run_id, step, kl, reward, known.get(step))
        for step, kl, reward in zip(steps.tolist(), x.tolist(), y.tolist(), strict=True)
    ]


def _path(points: Sequence[Point], index: int, label: str, *, light: bool) -> Trace:
    """One run from its start policy on; a click on a point says run and step."""
    colour = f"@run-{index % 6}"
    bands = [
        "" if point.error is None else f" ± {figures.Z95 * point.error:.2g}" for point in points
    ]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label,
        "showlegend": False,
        "x": figures.packed([p.kl for p in points]),
        "y": figures.packed([p.reward for p in points]),
        "customdata": [[p.step, p.run_id, band] for p, band in zip(points, bands, strict=True)],
        "cliponaxis": False,
        "opacity": 0.55 if light else 1,
        "line": {"color": colour, "width": 1 if light else 1.5, "dash": DASHES[index % 6]},
        "marker": {
            "color": colour,
            "size": 7 if light else 9,
            "symbol": ["diamond-open" if p.step == 0 else "circle" for p in points],
        },
        "hovertemplate": f"{label}, {t('charts.update')} %{{customdata[0]}}: %{{y:.3~g}}"
        f"%{{customdata[2]}}<extra>{words.title(metrics.EVAL_KL)} %{{x:.3~g}}</extra>",
    }


def _mean_path(run: RunGroup, name: str, index: int, label: str) -> Trace:
    """The mean over seeds, at the steps that all of them have reached."""
    kl, reward = mean_and_error(run, metrics.EVAL_KL)[0], mean_and_error(run, name)[0]
    _, x, y = at_common_steps(kl, reward)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": label,
        "showlegend": False,
        "x": figures.packed(x),
        "y": figures.packed(y),
        "cliponaxis": False,
        "hoverinfo": "skip",
        "line": {"color": f"@run-{index % 6}", "width": 3, "dash": DASHES[index % 6]},
    }


def _ring(point: Point) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "hoverinfo": "skip",
        "name": "chosen",
        "cliponaxis": False,
        "x": figures.packed([point.kl]),
        "y": figures.packed([point.reward]),
        "marker": {
            "size": 18,
            "symbol": "circle-open",
            "color": "@ink",
            "line": {"width": 2.5},
        },
    }


def _level(figure: Figure, reward: float) -> None:
    """The start policy as the anchor: grey and dashed, as everywhere."""
    if np.isnan(reward):
        return
    figure["layout"]["shapes"].append(
        {
            "type": "line",
            "x0": 0,
            "x1": 1,
            "xref": "paper",
            "y0": reward,
            "y1": reward,
            "layer": "below",
            "line": {"color": "@start", "width": 1.5, "dash": "dash"},
        }
    )
    figure["layout"]["annotations"].append(
        {
            "text": t("charts.start_policy"),
            "x": 1,
            "xref": "paper",
            "xanchor": "right",
            "y": reward,
            "yanchor": "top",
            "showarrow": False,
            "font": {"color": "@start-ink", "size": 12},
        }
    )


def _budget(figure: Figure, budget: float, furthest: float) -> None:
    """The KL budget as a line; the axis reaches beyond it, so that it is always seen."""
    reach = max(budget, furthest)
    figure["layout"]["xaxis"]["range"] = [-0.03 * reach, 1.06 * reach]
    figure["layout"]["shapes"].append(
        {
            "type": "line",
            "x0": budget,
            "x1": budget,
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "layer": "below",
            "line": {"color": "@kl", "width": 2, "dash": "dot"},
        }
    )
    beyond = budget > 0.6 * reach
    figure["layout"]["annotations"].append(
        {
            "text": t("compare.budget_line", budget=number(budget)),
            "x": budget,
            "y": 1,
            "yref": "paper",
            "yanchor": "top",
            "xanchor": "right" if beyond else "left",
            "xshift": -5 if beyond else 5,
            "showarrow": False,
            "bgcolor": "@paper/0.8",
            "font": {"color": "@kl-ink", "size": 12},
        }
    )
