"""All metrics of a run: which share a chart, how each is drawn and what it is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drpo import metrics
from drpo.charts import figures
from drpo.charts.annotations import Annotation
from drpo.charts.figures import Figure, Panel, RunSeries, Trace
from drpo.charts.run_charts import DASH_OF, SPLITS
from drpo.i18n import t
from drpo.metrics.registry import Part

ROW = 16
"""Pixels of a second line over a chart."""


@dataclass(frozen=True, slots=True)
class MetricPanel:
    """One small chart of the list of all metrics."""

    group: str
    name: str
    """The metric whose name the chart carries."""
    members: tuple[str, ...]
    """All metrics in the chart: the metric itself, its splits and its standard error."""

    @property
    def stage(self) -> str:
        """The stage whose own steps the metric is measured at; "" for updates of the policy."""
        return metrics.of(self.name).steps_of


def metric_panels(names: Iterable[str]) -> list[MetricPanel]:
    """Put every metric into exactly one chart, related ones together, in groups by prefix."""
    known = sorted(set(names))
    members: dict[str, list[str]] = {}
    for name in known:
        base = metrics.of(name).base
        members.setdefault(base if base in known else name, []).append(name)
    found = [
        MetricPanel(metrics.of(name).group, name, tuple(related))
        for name, related in members.items()
    ]
    return sorted(found, key=lambda panel: (panel.group, panel.name))


def metric_chart(
    run: RunSeries,
    panel: MetricPanel,
    *,
    weight: float = 0.0,
    log: bool = False,
    annotations: Sequence[Annotation] = (),
) -> Figure:
    """Draw one chart of the list of all metrics.

    Args:
        run: Where the series come from.
        panel: Which metrics.
        weight: Share of the past in each smoothed value; 0 does not smooth.
        log: Whether the values shall lie on a log axis; where they cannot, the chart says so.
        annotations: What is marked at updates of the policy; a stage before them has no such steps.
    """
    lines = [name for name in panel.members if name == panel.name or _part(name) != "error"]
    can = all((run.get(name).values > 0).all() for name in lines)
    traces: list[Trace] = []
    for name in lines:
        traces += _traces(run, panel, name, weight, log and can)
    several = len(traces) > 1 and any(trace["showlegend"] for trace in traces)
    remark = f"<br>{t('charts.not_log')}" if log and not can else ""
    figure = figures.panels(
        [Panel(panel.name, remark, traces, log=log and can)],
        x_title=t("charts.stage_steps" if panel.stage else "charts.updates"),
        annotations=() if panel.stage else annotations,
        legend=several,
    )
    if remark:
        figure["layout"]["margin"]["t"] += ROW
    return figure


def _traces(run: RunSeries, panel: MetricPanel, name: str, weight: float, log: bool) -> list[Trace]:
    """One metric: its band where it has one, its line, and the values that were smoothed."""
    part: Part = "whole" if name == panel.name else _part(name)
    meaning = SPLITS.get(part) or metrics.of(name).meaning
    label = t(f"charts.from_{part}") if part in SPLITS else t("charts.value")
    series, errors = run.get(name), run.get(metrics.error_of(name))
    traces = figures.band(series, errors, name, meaning, log=log) if len(errors) else []
    if weight and len(series) > 1:
        traces.append(
            figures.line(series, f"{label} ·", meaning, width=1, opacity=0.3, legend=False)
        )
    traces.append(
        figures.line(
            figures.smooth(series, weight),
            label,
            meaning,
            legend=part in SPLITS,
            width=3 if meaning == "gold" else 2,
            dash=DASH_OF.get(meaning, "solid"),
        )
    )
    return traces


def _part(name: str) -> Part:
    return metrics.of(name).part
