"""The pictures of the data report, from the figures in it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from drpo.charts.figures import Figure, ground
from drpo.data.quality import wording
from drpo.i18n import t

Series = tuple[str, str, str]
"""Name in the report, words for the legend, meaning of the colour."""
REPEATS = ("conflicting", "near", "exact")
"""How rows may repeat or contradict another."""


def histogram(
    data: Mapping[str, Any], series: Sequence[Series], *, title: str, x_title: str
) -> Figure:
    """Bars of one or more series over the same bins; the second lies over the first."""
    edges = data["edges"]
    middles = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    traces = [
        {
            "type": "bar",
            "x": middles,
            "y": data[name],
            "name": words,
            "uid": name,
            "marker": {
                "color": f"@{meaning}/{0.75 if index == 0 else 0}",
                "line": {"color": f"@{meaning}", "width": 1.5},
            },
            "hovertemplate": "%{y}",
        }
        for index, (name, words, meaning) in enumerate(series)
    ]
    return {"data": traces, "layout": _layout(title, x_title, legend=len(series) > 1)}


def _layout(title: str, x_title: str, *, legend: bool, y_title: str = "") -> dict[str, Any]:
    axis = {"gridcolor": "@line", "zeroline": False, "tickfont": {"color": "@muted"}}
    return {
        **ground(legend=legend, bottom=78 if legend else 46),
        "barmode": "overlay",
        "bargap": 0.06,
        "title": {
            "text": title,
            "x": 0,
            "xanchor": "left",
            "y": 0.98,
            "yanchor": "top",
            "font": {"color": "@ink", "size": 14},
        },
        "xaxis": axis | {"title": {"text": x_title, "font": {"color": "@muted", "size": 12}}},
        "yaxis": axis
        | {
            "title": {
                "text": y_title or t("data.pairs_axis"),
                "font": {"color": "@muted", "size": 12},
            }
        },
    }


def answer_lengths(report: Mapping[str, Any]) -> Figure:
    """Lengths of chosen and rejected answers."""
    unit = wording.unit(report)
    series = [("chosen", t("data.chosen"), "learned"), ("rejected", t("data.rejected"), "start")]
    data = report["lengths"]["answer_histogram"]
    return histogram(data, series, title=t("data.answer_lengths"), x_title=unit)


def prompt_lengths(report: Mapping[str, Any]) -> Figure:
    """Lengths of prompts."""
    series = [("prompt", t("data.prompt"), "start")]
    data = report["lengths"]["prompt_histogram"]
    return histogram(data, series, title=t("data.prompt_lengths"), x_title=wording.unit(report))


def length_bias(report: Mapping[str, Any]) -> Figure:
    """Chosen against rejected length: above the diagonal the longer answer was chosen."""
    grid = report["length_bias"]["grid"]
    edges = grid["edges"]
    middles = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    counts = [list(row) for row in zip(*grid["counts"], strict=True)]
    unit = wording.unit(report)
    heat = {
        "type": "heatmap",
        "uid": "grid",
        "x": middles,
        "y": middles,
        "z": [[count or None for count in row] for row in counts],
        "colorscale": [[0, "@learned/0.12"], [1, "@learned"]],
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickfont": {"color": "@muted"}},
        "hovertemplate": f"{t('data.bias_hover')}<extra></extra>",
    }
    diagonal = {
        "type": "scatter",
        "mode": "lines",
        "uid": "diagonal",
        "x": [edges[0], edges[-1]],
        "y": [edges[0], edges[-1]],
        "line": {"color": "@muted", "dash": "dash", "width": 1},
        "hoverinfo": "skip",
    }
    layout = _layout(
        t("data.bias"),
        t("data.rejected_length", unit=unit),
        legend=False,
        y_title=t("data.chosen_length", unit=unit),
    )
    return {"data": [heat, diagonal], "layout": layout | {"hovermode": "closest"}}


def margins(report: Mapping[str, Any]) -> Figure | None:
    """How clearly chosen answers were preferred; None where the data do not say."""
    found = report["margins"]
    if not found:
        return None
    meaning = "gold" if found["kind"] == "gold" else "learned"
    series = [("margin", t("data.margins"), meaning)]
    title, unit = t("data.margins"), t("data.score_units")
    return histogram(found["histogram"], series, title=title, x_title=unit)


def divergence(report: Mapping[str, Any]) -> Figure:
    """How far the two answers begin alike."""
    data = report["divergence"]["shared_characters"]["histogram"]
    series = [("shared", t("data.pairs_axis"), "start")]
    return histogram(data, series, title=t("data.divergence"), x_title=t("data.characters"))


def coverage(report: Mapping[str, Any]) -> Figure | None:
    """Likelihood of the answers under the start policy; None before it was measured."""
    found = report.get("coverage")
    if not found:
        return None
    series = [("chosen", t("data.chosen"), "learned"), ("rejected", t("data.rejected"), "start")]
    title, unit = t("data.coverage_chart"), t("data.nats")
    return histogram(found["histogram"], series, title=title, x_title=unit)


def languages(report: Mapping[str, Any]) -> Figure:
    """Languages of prompts and chosen answers, as bars."""
    found = report["languages"]
    names = list(dict.fromkeys([*found["chosen"], *found["prompt"]]))[::-1]
    parts = (("prompt", t("data.prompt"), "start"), ("chosen", t("data.chosen"), "learned"))
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": words,
            "uid": part,
            "y": [wording.language_name(name) for name in names],
            "x": [found[part].get(name, 0) for name in names],
            "marker": {"color": f"@{meaning}"},
            "hovertemplate": "%{x}",
        }
        for part, words, meaning in parts
    ]
    layout = _layout(t("data.languages"), t("data.pairs_axis"), legend=True, y_title=" ")
    layout["barmode"], layout["hovermode"] = "group", "y unified"
    layout["margin"]["l"] = 110
    return {"data": traces, "layout": layout}


def duplicates(report: Mapping[str, Any]) -> Figure:
    """How many rows repeat or contradict another."""
    found = report["duplicates"]
    trace = {
        "type": "bar",
        "orientation": "h",
        "uid": "duplicates",
        "y": [t(f"data.dup_{kind}") for kind in REPEATS],
        "x": [found[kind] for kind in REPEATS],
        "text": [str(found[kind]) for kind in REPEATS],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": ["@alarm", "@start", "@start"]},
        "hoverinfo": "skip",
    }
    layout = _layout(t("data.duplicates"), t("data.rows"), legend=False, y_title=" ")
    layout["margin"] |= {"l": 150, "r": 48}
    layout["xaxis"]["rangemode"] = "tozero"
    return {"data": [trace], "layout": layout}


def alt_of(figure: Figure) -> str:
    """What a figure shows, in words."""
    return t("data.chart_alt", title=figure["layout"]["title"]["text"])
