"""All metrics of a run: which share a chart, how each is drawn and what it is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drpo.dashboard.charts import figures
from drpo.dashboard.charts.annotations import Mark
from drpo.dashboard.charts.figures import Figure, Panel, Source, Trace
from drpo.dashboard.charts.run_charts import SPLITS
from drpo.i18n import has, t
from drpo.metrics import OWN_STEPS

MEANINGS = (
    ("gold", "gold"),
    ("kl|non_score_reward", "kl"),
    ("^reset/", "reset"),
    ("scores|rlhf_reward", "learned"),
    ("^completions/|^eval/(mean_length|finished|distinct|repetition|identical)", "learned"),
)
"""What is in a metric's name, and which colour of the palette that means; the first one counts.
All else is drawn in ink, which means nothing."""
DASHES = {"start": "dash", "kl": "dot"}
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
        return self.group if self.group in OWN_STEPS else ""


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


def meaning_of(name: str) -> str:
    """The colour that a metric's name stands for."""
    return next((meaning for told, meaning in MEANINGS if re.search(told, name)), "ink")


def metric_chart(
    run: Source,
    panel: MetricPanel,
    *,
    weight: float = 0.0,
    log: bool = False,
    happened: Sequence[Mark] = (),
) -> Figure:
    """Draw one chart of the list of all metrics.

    Args:
        run: Where the series come from.
        panel: Which metrics.
        weight: Share of the past in each smoothed value; 0 does not smooth.
        log: Whether the values shall lie on a log axis; where they cannot, the chart says so.
        happened: What is marked at updates of the policy; a stage before them has no such steps.
    """
    lines = [
        name for name in panel.members if not (name.endswith("_se") and name[:-3] in panel.members)
    ]
    can = all((run.get(name).values > 0).all() for name in lines)
    traces: list[Trace] = []
    for name in lines:
        traces += _traces(run, panel, name, weight, log and can)
    several = len(traces) > 1 and any(trace["showlegend"] for trace in traces)
    remark = f"<br>{t('charts.not_log')}" if log and not can else ""
    figure = figures.panels(
        [Panel(panel.name, remark, traces, log=log and can)],
        x_title=t("charts.stage_steps" if panel.stage else "charts.updates"),
        marks=() if panel.stage else happened,
        legend=several,
    )
    if remark:
        figure["layout"]["margin"]["t"] += ROW
    return figure


def _traces(run: Source, panel: MetricPanel, name: str, weight: float, log: bool) -> list[Trace]:
    """One metric: its band where it has one, its line, and the values that were smoothed."""
    ending = next((e for e in SPLITS if name.endswith(e) and name != panel.name), "")
    meaning = SPLITS.get(ending) or meaning_of(name)
    label = t(f"charts.from{ending}") if ending else t("charts.value")
    series, errors = run.get(name), run.get(f"{name}_se")
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
            legend=bool(ending),
            width=3 if meaning == "gold" else 2,
            dash=DASHES.get(meaning, "solid"),
        )
    )
    return traces


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
