"""The figures of one run that answer a question: reward, KL, resets, lengths, losses.

Every metric a run logs is on a chart of `metric_charts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from drpo import metrics
from drpo.analysis.metric_series import Series
from drpo.charts import figures
from drpo.charts.annotations import Annotation
from drpo.charts.figures import Figure, Panel, RunSeries, Trace
from drpo.i18n import t
from drpo.metrics import words
from drpo.metrics.registry import Meaning, Part

SPLITS: dict[Part, Meaning] = {"reset": "reset", "prompt": "start"}
"""Parts of metrics that are split by where episodes started, and the colour of each."""
DASH_OF: dict[Meaning, str] = {"start": "dash", "kl": "dot"}
SHARE = (-0.03, 1.03)
"""The y range of what lies between 0 and 1."""
Range = tuple[float, float]


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
    run: RunSeries,
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
        *figures.band(series, run.get(metrics.error_of(name)), label, meaning, axis=axis),
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


def batch(run: RunSeries, name: str, label: str, meaning: str, *, axis: str = "") -> list[Trace]:
    """A metric of the training batches: no interval, so it is drawn thin and light."""
    series = run.get(name)
    if not len(series):
        return []
    return [
        figures.line(series, label, meaning, width=1.25, opacity=0.5, axis=axis, legend=axis == "")
    ]


def quantity(
    run: RunSeries,
    name: str,
    *,
    axis: str = "",
    until: int | None = None,
    zero: bool = False,
    range: Range | None = None,
) -> Panel:
    """A held-out metric with its interval, over the same quantity of the training batches.

    Args:
        run: Where the series come from.
        name: The held-out metric.
        axis: Number of the panel's axes, "" for the first.
        until: Last step of the plan, up to which the start policy's level is drawn; None for none.
        zero: Whether the axis must reach down to 0.
        range: Fixed y range.
    """
    metric = metrics.of(name)
    meaning = metric.meaning
    traces = [] if until is None else start_level(run.get(name), until, axis=axis)
    if metric.batch:
        traces += batch(run, metric.batch, t("charts.batch"), meaning, axis=axis)
    traces += measured(
        run,
        name,
        t("charts.heldout"),
        meaning,
        width=3.5 if meaning == "gold" else 2.5,
        dash=DASH_OF.get(meaning, "solid"),
        axis=axis,
    )
    return Panel(words.title(name), words.unit(name), traces, zero=zero, range=range)


def reward(
    run: RunSeries,
    *,
    until: int,
    annotations: Sequence[Annotation] = (),
    ranges: Mapping[str, Range | None] | None = None,
) -> Figure:
    """Learned reward over gold reward, held-out and in training, on the same steps."""
    shown = [] if trained_on_gold(run) else [metrics.EVAL_SCORES]
    if len(run.get(metrics.EVAL_GOLD)) or len(run.get(metrics.OBJECTIVE_GOLD)):
        shown.append(metrics.EVAL_GOLD)
    parts = [
        quantity(run, name, axis=axis, until=until, range=(ranges or {}).get(name))
        for axis, name in zip(("", "2"), shown, strict=False)
    ]
    return figures.panels(parts, x_title=t("charts.updates"), annotations=annotations, until=until)


def trained_on_gold(run: RunSeries) -> bool:
    """Whether the run was trained on the gold score itself: then there is no learned one to show.

    Told by the figures, as those are what would be drawn twice.
    """
    return len(run.get(metrics.EVAL_GOLD)) > 0 and all(
        np.array_equal(run.get(learned).values, run.get(gold).values)
        for learned, gold in (
            (metrics.EVAL_SCORES, metrics.EVAL_GOLD),
            (metrics.OBJECTIVE_SCORES, metrics.OBJECTIVE_GOLD),
        )
    )


def kl(
    run: RunSeries,
    *,
    until: int,
    annotations: Sequence[Annotation] = (),
    resets: bool = True,
    top: Range | None = None,
) -> Figure:
    """KL to the start policy, over the share of episodes that were reset."""
    parts = [quantity(run, metrics.EVAL_KL, zero=True, range=top)]
    if resets and len(run.get(metrics.RESET_FRACTION)):
        parts.append(reset_share(run, axis="2"))
    return figures.panels(parts, x_title=t("charts.updates"), annotations=annotations, until=until)


def reset_share(run: RunSeries, *, axis: str = "") -> Panel:
    """How many episodes were reset, against how many were asked for."""
    asked, done = run.get(metrics.RESET_PROB), run.get(metrics.RESET_FRACTION)
    traces = [figures.line(done, t("charts.reset_done"), "reset", axis=axis, legend=axis == "")]
    if len(asked):
        traces.append(
            figures.line(asked, t("charts.reset_asked"), "ink", width=1.25, dash="dash", axis=axis)
        )
    return Panel(t("charts.resets"), words.unit(metrics.RESET_FRACTION), traces, range=SHARE)


def path(run: RunSeries) -> Figure:
    """What reward was bought with how much KL: one point an evaluation, from start to now."""
    traces: list[Trace] = []
    parts: list[Panel] = []
    for name in metrics.on_chart("reward")[trained_on_gold(run) :]:
        steps, x, y = at_common_steps(run.get(metrics.EVAL_KL), run.get(name))
        if not len(steps):
            continue
        label, meaning = words.title(name), metrics.of(name).meaning
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
        parts.append(Panel(label, words.unit(name), traces))
    figure = figures.panels(parts, x_title=t("charts.kl_axis"), legend=False)
    figure["layout"]["hovermode"] = "closest"
    return figure


def at_common_steps(one: Series, other: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two series at the steps they share: steps, values of one, values of the other."""
    steps, at_one, at_other = np.intersect1d(one.steps, other.steps, return_indices=True)
    return steps, one.values[at_one], other.values[at_other]


def _errors(run: RunSeries, name: str, steps: np.ndarray) -> np.ndarray:
    known = dict(
        zip(*(s.tolist() for s in _steps_values(run.get(metrics.error_of(name)))), strict=True)
    )
    return np.array([figures.Z95 * known.get(int(step), 0.0) for step in steps], np.float32)


def _steps_values(series: Series) -> tuple[np.ndarray, np.ndarray]:
    return series.steps, series.values


def by_start(run: RunSeries, *, annotations: Sequence[Annotation] = ()) -> Figure:
    """Learned and gold reward and KL of reset starts and of prompt starts, as far as known."""
    parts: list[Panel] = []
    for name in metrics.on_chart("resets")[trained_on_gold(run) :]:
        axis = str(len(parts) + 1) if parts else ""
        traces = [
            figures.line(
                run.get(metrics.part_of(name, part)),
                t(f"charts.from_{part}"),
                meaning,
                axis=axis,
                dash=DASH_OF.get(meaning, "solid"),
                legend=axis == "",
            )
            for part, meaning in SPLITS.items()
            if len(run.get(metrics.part_of(name, part)))
        ]
        if traces:
            parts.append(Panel(words.title(name), words.unit(name), traces))
    return figures.panels(parts, x_title=t("charts.updates"), annotations=annotations)


def lengths(run: RunSeries, *, until: int, annotations: Sequence[Annotation] = ()) -> Figure:
    """How long answers are, and how many end by themselves."""
    parts = [
        quantity(run, metrics.EVAL_MEAN_LENGTH, until=until, zero=True),
        quantity(run, metrics.EVAL_FINISHED, axis="2", range=SHARE),
    ]
    return figures.panels(parts, x_title=t("charts.updates"), annotations=annotations, until=until)


def losses(run: RunSeries, *, annotations: Sequence[Annotation] = ()) -> Figure:
    """The two losses that are minimised."""
    parts = [
        Panel(
            words.title(name),
            words.unit(name),
            [figures.line(run.get(name), words.title(name), metrics.of(name).meaning, axis=axis)],
        )
        for axis, name in zip(("", "2"), metrics.on_chart("losses"), strict=True)
    ]
    return figures.panels(parts, x_title=t("charts.updates"), annotations=annotations, legend=False)


def common_range(sources: Sequence[RunSeries], name: str) -> Range | None:
    """One y range that holds a quantity of several runs, so that their charts compare."""
    names = (name, metrics.of(name).batch)
    values = [
        source.get(name).values for source in sources for name in names if len(source.get(name))
    ]
    if not values:
        return None
    mean_and_error = np.concatenate(values)
    low, high = float(mean_and_error.min()), float(mean_and_error.max())
    margin = 0.08 * ((high - low) or 1.0)
    return low - margin, high + margin
