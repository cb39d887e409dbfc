"""The figures of one run that answer a question: reward, KL, resets, lengths, losses.

Every metric a run logs is on a chart of `metric_charts`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drpo.dashboard.charts import figures
from drpo.dashboard.charts.annotations import Mark
from drpo.dashboard.charts.figures import Figure, Panel, Source, Trace
from drpo.dashboard.state.metric_series import Series
from drpo.i18n import t

SPLITS = {"_reset": "reset", "_prompt": "start"}
"""Endings of metrics that are split by where episodes started, and the colour of each."""


def start_level(series: Series, until: int, *, axis: str = "") -> list[Trace]:
    """The start policy's value as a dashed grey line over the whole width."""
    if not len(series):
        return []
    steps = np.array([series.steps[0], max(until, int(series.steps[-1]), 1)], np.int32)
    level = Series(steps, np.full(2, series.values[0], np.float32))
    return [
        figures.line(
            level,
            t("charts.start_policy"),
            "start",
            width=1.5,
            dash="dash",
            axis=axis,
            legend=axis == "",
        )
    ]


def measured(
    run: Source,
    name: str,
    label: str,
    meaning: str,
    *,
    width: float = 2.5,
    dash: str = "solid",
    axis: str = "",
) -> list[Trace]:
    """A held-out metric: its interval, then its line with a point at every evaluation."""
    series = run.get(name)
    if not len(series):
        return []
    return [
        *figures.band(series, run.get(f"{name}_se"), label, meaning, axis=axis),
        figures.line(
            series,
            label,
            meaning,
            width=width,
            dash=dash,
            markers=True,
            axis=axis,
            legend=axis == "",
        ),
    ]


def batch(run: Source, name: str, label: str, meaning: str, *, axis: str = "") -> list[Trace]:
    """A metric of the training batches: no interval, so it is drawn thin and light."""
    series = run.get(name)
    if not len(series):
        return []
    return [
        figures.line(series, label, meaning, width=1.25, opacity=0.5, axis=axis, legend=axis == "")
    ]


def reward(
    run: Source,
    *,
    until: int,
    happened: Sequence[Mark] = (),
    ranges: tuple[tuple[float, float] | None, tuple[float, float] | None] = (None, None),
) -> Figure:
    """Learned reward over gold reward, held-out and in training, on the same steps."""
    parts = []
    if not trained_on_gold(run):
        parts.append(
            Panel(
                t("charts.learned_reward"),
                t("charts.unit_score"),
                [
                    *start_level(run.get("eval/scores"), until),
                    *batch(run, "objective/scores", t("charts.batch"), "learned"),
                    *measured(run, "eval/scores", t("charts.heldout"), "learned"),
                ],
                range=ranges[0],
            )
        )
    if len(run.get("eval/gold")) or len(run.get("objective/gold")):
        axis = "2" if parts else ""
        parts.append(
            Panel(
                t("charts.gold_reward"),
                t("charts.unit_score"),
                [
                    *start_level(run.get("eval/gold"), until, axis=axis),
                    *batch(run, "objective/gold", t("charts.batch"), "gold", axis=axis),
                    *measured(run, "eval/gold", t("charts.heldout"), "gold", width=3.5, axis=axis),
                ],
                range=ranges[1],
            )
        )
    return figures.panels(parts, x_title=t("charts.updates"), marks=happened, until=until)


def trained_on_gold(run: Source) -> bool:
    """Whether the run was trained on the gold score itself: then there is no learned one to show.

    Told by the figures, as those are what would be drawn twice.
    """
    return len(run.get("eval/gold")) > 0 and all(
        np.array_equal(run.get(f"{group}/scores").values, run.get(f"{group}/gold").values)
        for group in ("eval", "objective")
    )


def kl(
    run: Source,
    *,
    until: int,
    happened: Sequence[Mark] = (),
    resets: bool = True,
    top: tuple[float, float] | None = None,
) -> Figure:
    """KL to the start policy, over the share of episodes that were reset."""
    parts = [
        Panel(
            t("charts.kl"),
            t("charts.unit_kl"),
            [
                *batch(run, "objective/kl", t("charts.batch"), "kl"),
                *measured(run, "eval/kl", t("charts.heldout"), "kl", dash="dot"),
            ],
            zero=True,
            range=top,
        )
    ]
    if resets and len(run.get("reset/fraction")):
        parts.append(reset_share(run, axis="2"))
    return figures.panels(parts, x_title=t("charts.updates"), marks=happened, until=until)


def reset_share(run: Source, *, axis: str = "") -> Panel:
    """How many episodes were reset, against how many were asked for."""
    asked, done = run.get("reset/prob"), run.get("reset/fraction")
    traces = [figures.line(done, t("charts.reset_done"), "reset", axis=axis, legend=axis == "")]
    if len(asked):
        traces.append(
            figures.line(asked, t("charts.reset_asked"), "ink", width=1.25, dash="dash", axis=axis)
        )
    return Panel(t("charts.resets"), t("charts.unit_share"), traces, range=(-0.03, 1.03))


def path(run: Source) -> Figure:
    """What reward was bought with how much KL: one point an evaluation, from start to now."""
    traces: list[Trace] = []
    parts: list[Panel] = []
    rewards = [
        ("eval/scores", t("charts.learned_reward"), "learned"),
        ("eval/gold", t("charts.gold_reward"), "gold"),
    ]
    for name, label, meaning in rewards[trained_on_gold(run) :]:
        steps, x, y = together(run.get("eval/kl"), run.get(name))
        if not len(steps):
            continue
        axis = "2" if parts else ""
        traces = [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": figures.packed(x),
                "y": figures.packed(y),
                "customdata": steps.tolist(),
                "name": label,
                "uid": name,
                "line": {"color": f"@{meaning}", "width": 2, "shape": "linear"},
                "marker": {"color": f"@{meaning}", "size": 7},
                "error_y": {
                    "type": "data",
                    "array": figures.packed(_errors(run, name, steps)),
                    "color": f"@{meaning}/0.5",
                    "thickness": 1,
                    "width": 3,
                },
                "hovertemplate": f"{t('charts.update')} %{{customdata}}: %{{y:.3~g}}",
                "xaxis": f"x{axis}",
                "yaxis": f"y{axis}",
            }
        ]
        parts.append(Panel(label, t("charts.unit_score"), traces))
    figure = figures.panels(parts, x_title=t("charts.kl_axis"), legend=False)
    figure["layout"]["hovermode"] = "closest"
    return figure


def together(one: Series, other: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two series at the steps they share: steps, values of one, values of the other."""
    steps, at_one, at_other = np.intersect1d(one.steps, other.steps, return_indices=True)
    return steps, one.values[at_one], other.values[at_other]


def _errors(run: Source, name: str, steps: np.ndarray) -> np.ndarray:
    known = dict(zip(*(s.tolist() for s in _steps_values(run.get(f"{name}_se"))), strict=True))
    return np.array([figures.Z95 * known.get(int(step), 0.0) for step in steps], np.float32)


def _steps_values(series: Series) -> tuple[np.ndarray, np.ndarray]:
    return series.steps, series.values


def by_start(run: Source, *, happened: Sequence[Mark] = ()) -> Figure:
    """Learned and gold reward and KL of reset starts and of prompt starts, as far as known."""
    parts: list[Panel] = []
    shown = [
        ("objective/scores", t("charts.learned_reward"), t("charts.unit_score")),
        ("objective/gold", t("charts.gold_reward"), t("charts.unit_score")),
        ("objective/kl", t("charts.kl"), t("charts.unit_kl")),
    ]
    for name, title, unit in shown[trained_on_gold(run) :]:
        axis = str(len(parts) + 1) if parts else ""
        traces = [
            figures.line(
                run.get(name + ending),
                t(f"charts.from{ending}"),
                meaning,
                axis=axis,
                dash="solid" if ending == "_reset" else "dash",
                legend=axis == "",
            )
            for ending, meaning in SPLITS.items()
            if len(run.get(name + ending))
        ]
        if traces:
            parts.append(Panel(title, unit, traces))
    return figures.panels(parts, x_title=t("charts.updates"), marks=happened)


def lengths(run: Source, *, until: int, happened: Sequence[Mark] = ()) -> Figure:
    """How long answers are, and how many end by themselves."""
    parts = [
        Panel(
            t("charts.length"),
            t("charts.unit_tokens"),
            [
                *start_level(run.get("eval/mean_length"), until),
                *batch(run, "completions/mean_length", t("charts.batch"), "learned"),
                *measured(run, "eval/mean_length", t("charts.heldout"), "learned"),
            ],
            zero=True,
        ),
        Panel(
            t("charts.finished"),
            t("charts.unit_share"),
            [
                *measured(run, "eval/finished", t("charts.heldout"), "learned", axis="2"),
            ],
            range=(-0.03, 1.03),
        ),
    ]
    return figures.panels(parts, x_title=t("charts.updates"), marks=happened, until=until)


def losses(run: Source, *, happened: Sequence[Mark] = ()) -> Figure:
    """The two losses that are minimised."""
    parts = [
        Panel(
            t(f"charts.loss_{which}"),
            "",
            [
                figures.line(
                    run.get(f"loss/{which}_avg"), t(f"charts.loss_{which}"), "ink", axis=axis
                )
            ],
        )
        for axis, which in (("", "policy"), ("2", "value"))
    ]
    return figures.panels(parts, x_title=t("charts.updates"), marks=happened, legend=False)


def common_range(sources: Sequence[Source], *names: str) -> tuple[float, float] | None:
    """One y range that holds the given metrics of several runs, so that their charts compare."""
    values = [
        source.get(name).values for source in sources for name in names if len(source.get(name))
    ]
    if not values:
        return None
    joined = np.concatenate(values)
    low, high = float(joined.min()), float(joined.max())
    margin = 0.08 * ((high - low) or 1.0)
    return low - margin, high + margin
