"""The figures of the reset view: reward by depth over training, and one update's episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from drpo import metrics
from drpo.charts import figures
from drpo.charts.figures import Figure, Panel
from drpo.i18n import t
from drpo.metrics import words
from drpo.store.schema import SampleRow
from drpo.types import known

PARTS = 10
"""Classes of depth; a tenth of the answer each."""
COLUMNS = 40
"""Most columns of the heat map; more updates are put together."""
Value = Literal["score", "gold", "kl"]
VALUES: tuple[Value, ...] = ("score", "gold", "kl")
METRICS: dict[Value, str] = {
    "score": metrics.OBJECTIVE_SCORES,
    "gold": metrics.OBJECTIVE_GOLD,
    "kl": metrics.OBJECTIVE_KL,
}
"""The metric that is the mean of an episode's value."""
_MEANING = {"score": "learned", "gold": "gold", "kl": "kl"}
_COLUMNS = ["step", "depth", "episodes", *VALUES]


def depths(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """What `Samples.by_depth` returns, as a table."""
    return pd.DataFrame(rows, columns=_COLUMNS)


def heatmap(table: pd.DataFrame, value: Value) -> Figure:
    """Mean of a value by step and depth; the bare prompt is the lowest row."""
    stated = table.dropna(subset=[value])
    if stated.empty:
        return figures.panels([Panel("", "", [])], x_title=t("charts.updates"), legend=False)
    width = max(1, -(-int(stated["step"].max()) // COLUMNS))
    column = (stated["step"] - 1) // width
    grouped = (
        stated.assign(column=column, total=stated[value] * stated["episodes"])
        .groupby(["depth", "column"])[["total", "episodes"]]
        .sum()
    )
    span = range(int(column.min()), int(column.max()) + 1)
    rows = range(-1, PARTS)
    index = pd.MultiIndex.from_product([rows, span], names=["depth", "column"])
    whole = grouped.reindex(index)
    shape = (len(rows), len(span))
    means = (whole["total"] / whole["episodes"]).to_numpy().reshape(shape)
    counts = whole["episodes"].fillna(0).to_numpy(int).reshape(shape)
    meaning = _MEANING[value]
    trace = {
        "type": "heatmap",
        "uid": value,
        "x": [column_name(c, width) for c in span],
        "y": [depth_name(row) for row in rows],
        "z": [[known(float(cell)) for cell in row] for row in means],
        "customdata": counts.tolist(),
        "hoverongaps": False,
        "xgap": 1,
        "ygap": 1,
        "colorscale": [[0, f"@{meaning}/0.15"], [1, f"@{meaning}"]],
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickfont": {"color": "@muted"}},
        "hovertemplate": f"{t('resets.map_hover')}<extra></extra>",
    }
    panel = Panel(t(f"resets.value_{value}"), t("resets.depth"), [trace])
    figure = figures.panels([panel], x_title=t("charts.updates"), legend=False)
    figure["layout"]["margin"] |= {"l": 92}
    figure["layout"]["annotations"][0] |= {"xshift": -84}
    figure["layout"]["yaxis"] |= {"type": "category", "tickformat": "", "nticks": len(rows)}
    figure["layout"]["xaxis"] |= {"type": "category", "nticks": 10}
    figure["layout"]["hovermode"] = "closest"
    return figure


def column_name(column: int, width: int) -> str:
    """The update, or the updates, that one column of the heat map stands for."""
    first = column * width + 1
    return str(first) if width == 1 else f"{first}–{first + width - 1}"


def depth_name(depth: int) -> str:
    """A class of depth in words."""
    if depth < 0:
        return t("resets.at_prompt")
    return f"{100 * depth // PARTS}–{100 * (depth + 1) // PARTS} %"


def spread(episodes: Sequence[SampleRow], value: Value) -> Figure:
    """One update's episodes: a value over depth, beside the data's own answers where these have it.

    Args:
        episodes: The update's.
        value: What is drawn; the data's own answers have no KL.
    """
    stated = [e for e in episodes if getattr(e, value) is not None]
    resets = [e for e in stated if e.start == "reset"]
    prompts = [e for e in stated if e.start == "prompt"]
    traces = [
        _points(
            [share_given(e) for e in [*resets, *prompts]],
            [getattr(e, value) for e in [*resets, *prompts]],
            t("resets.finished_by_policy"),
            {"color": f"@{_MEANING[value]}", "size": 7, "opacity": 0.75},
        ),
    ]
    if value != "kl":
        own = [e for e in resets if getattr(e, f"offline_{value}") is not None]
        traces.append(
            _points(
                [share_given(e) for e in own],
                [getattr(e, f"offline_{value}") for e in own],
                t("resets.own"),
                {"color": "@reset", "size": 9, "symbol": "circle-open"},
            )
        )
    if prompts:
        mean = float(np.mean([getattr(e, value) for e in prompts]))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [-3, 103],
                "y": [mean, mean],
                "name": t("resets.prompt_starts"),
                "uid": "mean",
                "hoverinfo": "skip",
                "showlegend": True,
                "line": {"color": "@start", "dash": "dash", "width": 1.5},
            }
        )
    name = METRICS[value]
    panel = Panel(words.title(name), words.unit(name), traces)
    figure = figures.panels([panel], x_title=f"{t('resets.depth')} (%)")
    figure["layout"]["hovermode"] = "closest"
    figure["layout"]["xaxis"] |= {"range": [-3, 103], "rangemode": "normal"}
    return figure


def share_given(episode: SampleRow) -> float:
    """How much of the offline answer an episode was given, in per cent; 0 at the prompt."""
    if episode.start == "prompt" or not episode.offline_tokens:
        return 0.0
    return 100 * episode.prefix_tokens / episode.offline_tokens


def group_ranges(groups: Sequence[Sequence[SampleRow]], value: Value) -> Figure:
    """Each group of one update as a line from its lowest to its highest value, hardest first.

    A group whose values are all alike teaches nothing and is drawn as a ring.

    Args:
        groups: Episodes by their common start.
        value: What is drawn.
    """
    known = [
        sorted(getattr(e, value) for e in group if getattr(e, value) is not None)
        for group in groups
    ]
    ranked = sorted((values for values in known if values), key=lambda v: (sum(v) / len(v), v))
    color = f"@{_MEANING[value]}"
    lines: dict[str, list[float | None]] = {"x": [], "y": []}
    for place, values in enumerate(ranked, 1):
        lines["x"] += [place, place, None]
        lines["y"] += [values[0], values[-1], None]
    alike = [
        (place, values[0]) for place, values in enumerate(ranked, 1) if values[0] == values[-1]
    ]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            **lines,
            "name": t("resets.group_range"),
            "uid": "range",
            "hoverinfo": "skip",
            "showlegend": True,
            "line": {"color": color, "width": 3},
        },
        _points(
            [float(place) for place, values in enumerate(ranked, 1) for _ in values],
            [one for values in ranked for one in values],
            t("resets.group_members"),
            {"color": color, "size": 6, "opacity": 0.75},
        ),
        _points(
            [float(place) for place, _ in alike],
            [one for _, one in alike],
            t("resets.group_alike"),
            {"color": "@start", "size": 12, "symbol": "circle-open"},
        ),
    ]
    name = METRICS[value]
    panel = Panel(words.title(name), words.unit(name), traces)
    figure = figures.panels([panel], x_title=t("resets.groups_axis"), legend=True)
    figure["layout"]["hovermode"] = "closest"
    return figure


def _points(
    x: Sequence[float], y: Sequence[float], name: str, marker: dict[str, Any]
) -> figures.Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": figures.packed(x),
        "y": figures.packed(y),
        "name": name,
        "uid": name,
        "marker": marker,
        "showlegend": True,
        "hovertemplate": "%{x:.0f} %: %{y:.3~g}",
    }
