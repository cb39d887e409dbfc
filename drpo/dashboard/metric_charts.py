"""All metrics of a run: which share a chart, how each is drawn and what it is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drpo.dashboard import charts
from drpo.dashboard.charts import Figure, Panel, Source, Trace
from drpo.dashboard.marks import Mark
from drpo.dashboard.run_charts import SPLITS
from drpo.dashboard.words import has, t


@dataclass(frozen=True, slots=True)
class MetricPanel:
    """One small chart of the list of all metrics."""

    group: str
    name: str
    """The metric whose name the chart carries."""
    members: tuple[str, ...]
    """All metrics in the chart: the metric itself, its splits and its standard error."""


def metric_panels(names: Iterable[str]) -> list[MetricPanel]:
    """Put every metric into exactly one chart, related ones together, in groups by prefix."""
    known = sorted(set(names))
    members: dict[str, list[str]] = {}
    for name in known:
        base = re.sub(r"(_reset|_prompt|_se)$", "", name)
        members.setdefault(base if base in known else name, []).append(name)
    found = [
        MetricPanel(name.split("/")[0] if "/" in name else "progress", name, tuple(related))
        for name, related in members.items()
    ]
    return sorted(found, key=lambda panel: (panel.group, panel.name))


def metric_chart(
    run: Source, panel: MetricPanel, *, weight: float = 0.0, log: bool = False,
    happened: Sequence[Mark] = (),
) -> Figure:  # fmt: skip
    """Draw one chart of the list of all metrics."""
    traces: list[Trace] = []
    for name in panel.members:
        series = run.get(name)
        if name.endswith("_se") and name[:-3] in panel.members:
            traces += charts.band(run.get(name[:-3]), series, name[:-3], "learned")
            continue
        ending = next((e for e in SPLITS if name.endswith(e) and name != panel.name), "")
        meaning = SPLITS.get(ending, "learned")
        label = t(f"charts.from{ending}") if ending else t("charts.value")
        dash = "dash" if meaning == "start" else "solid"
        if weight and len(series) > 1:
            traces.append(charts.line(series, f"{label} ·", meaning, width=1, opacity=0.3,
                                      legend=False))  # fmt: skip
        smoothed = charts.smooth(series, weight)
        traces.append(charts.line(smoothed, label, meaning, dash=dash, legend=bool(ending)))
    several = len(traces) > 1 and any(trace["showlegend"] for trace in traces)
    return charts.panels(
        [Panel(panel.name, "", traces, log=log)],
        x_title=t("charts.updates"), marks=happened, legend=several,
    )  # fmt: skip


def metric_title(name: str) -> tuple[str, str]:
    """What a chart of a metric is headed with, and its unit; unknown ones keep their own name."""
    known = {
        "eval/scores": (t("charts.learned_reward"), t("charts.unit_score")),
        "eval/gold": (t("charts.gold_reward"), t("charts.unit_score")),
        "eval/kl": (t("charts.kl"), t("charts.unit_kl")),
        "eval/mean_length": (t("charts.length"), t("charts.unit_tokens")),
        "eval/finished": (t("charts.finished"), t("charts.unit_share")),
    }
    return known.get(name, (name, ""))


def metric_label(name: str) -> str:
    """A metric's sentence of help, or nothing where it has none."""
    key = f"metrics.{name}"
    return t(key) if has(key) else ""
