"""The data report on the screen: verdict, problems by row, pictures, resets and split."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from drpo.charts import data_charts
from drpo.dashboard.client.data import render_html, wording
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.sample_cards import show_answers
from drpo.i18n import format, t
from drpo.report.cards import Answer, Card


def show_counts(report: Mapping[str, Any]) -> None:
    """Show the four figures that matter first."""
    counts = report["counts"]
    with st.grid(4, min_column_width=140):
        st.metric(t("data.rows"), format.count(counts["rows"]))
        st.metric(t("data.pairs"), format.count(counts["pairs"]))
        st.metric(t("data.prompts"), format.count(counts["prompts"]))
        st.metric(t("data.apart"), format.count(counts["set_apart"]), help=t("data.apart_help"))


def show_pictures(report: Mapping[str, Any]) -> None:
    """Draw what the figures say, and say the one about length in words."""
    if not report["counts"]["pairs"]:
        st.caption(t("data.no_warnings"))
        return
    for sentence in (wording.length_bias(report), wording.agreement(report)):
        if sentence:
            st.write(sentence)
    drawn: list[tuple[str, Callable[[Mapping[str, Any]], Any]]] = [
        ("lengths", data_charts.answer_lengths),
        ("bias", data_charts.length_bias),
        ("prompts", data_charts.prompt_lengths),
        ("margins", data_charts.margins),
        ("duplicates", data_charts.duplicates),
        ("languages", data_charts.languages),
        ("divergence", data_charts.divergence),
    ]
    with st.grid(2, min_column_width=300):
        for name, draw in drawn:
            _chart(name, draw(report), report)


def _chart(name: str, figure: dict[str, Any] | None, report: Mapping[str, Any]) -> None:
    if figure is not None:
        title = figure["layout"]["title"]["text"]
        live_chart(
            figure,
            key=f"data_{name}",
            revision=report["content_hash"],
            alt=t("data.chart_alt", title=title),
            height=300,
        )


def show_resets(report: Mapping[str, Any]) -> None:
    """Say what the data offer to resets, and what each filter would keep."""
    resets = report["resets"]
    if not resets:
        st.caption(t("data.reason_no_pairs"))
        return
    st.subheader(t("data.positions"))
    st.write(
        t(
            "data.positions_said",
            positions=format.count(resets["positions"]),
            answers=format.count(resets["answers"]),
            unit=data_charts.unit_of(report),
            median=format.count(round(resets["per_answer"]["median"])),
        )
    )
    st.subheader(t("data.filters"), help=t("data.filters_help"))
    _filters(report["filters"])
    if report.get("coverage"):
        st.write(wording.coverage(report))
        _chart("coverage", data_charts.coverage(report), report)
    st.subheader(t("data.split"))
    parts = report["splits"]
    if parts:
        st.write(wording.split(report))
        if parts["templated"]:
            st.caption(t("data.templated"))
    else:
        st.write(t("data.reason_one_prompt"))


def _filters(filters: Mapping[str, Any]) -> None:
    known = {name: found for name, found in filters.items() if found}
    if known:
        rows = [
            {
                "filter": t(f"data.filter_{name}"),
                "keep": format.share(part["keep"]),
                "answers": part["answers"],
                "threshold": format.number(part["threshold"]),
                "length": format.number(part["mean_length"]),
            }
            for name, found in known.items()
            for part in found["kept"]
        ]
        text = st.column_config.TextColumn
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            alt=t("data.filters_alt"),
            column_config={
                "filter": text("reset_filter"),
                "keep": text(t("data.keep")),
                "answers": st.column_config.NumberColumn(t("data.answers")),
                "threshold": text(t("data.threshold")),
                "length": text(t("data.mean_length")),
            },
        )
    unknown = [t(f"data.filter_{name}") for name in filters if name not in known]
    if unknown:
        st.caption(t("data.filter_unknown", names=", ".join(unknown)))


def show_examples(report: Mapping[str, Any]) -> None:
    """Show how the file was read, and some rows as they will be trained on."""
    known = report["recognised"]
    if not known:
        return
    st.text(t(f"data.shape_{known['shape']}"))
    layout = known["layout"]
    parts = [
        {"part": part, "column": _column(layout[part])}
        for part in layout
        if part not in ("shape", "reason")
    ]
    with st.expander(t("data.recognised")):
        st.text(wording.reading(known))
        st.dataframe(
            pd.DataFrame(parts, columns=["part", "column"]),
            hide_index=True,
            alt=t("data.recognised"),
            column_config={
                "part": st.column_config.TextColumn(t("data.part")),
                "column": st.column_config.TextColumn(t("data.column")),
            },
        )
    st.subheader(t("data.examples"))
    show_answers([_card(row) for row in known["examples"]], key="data_examples")
    if report["preview"]:
        st.subheader(t("data.preview"))
        st.dataframe(
            pd.DataFrame(report["preview"]),
            hide_index=True,
            alt=t("data.preview"),
            column_config={
                "row": st.column_config.NumberColumn(t("data.row", row=""), width="small"),
                "prompt": st.column_config.TextColumn(t("data.prompt"), width="large"),
                "chosen": st.column_config.TextColumn(t("data.chosen"), width="large"),
                "rejected": st.column_config.TextColumn(t("data.rejected"), width="large"),
            },
        )


def _column(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{code} = {outcome}" for code, outcome in value.items())
    return (
        ", ".join(map(str, value))
        if isinstance(value, Sequence) and not isinstance(value, str)
        else str(value)
    )


def _card(row: Mapping[str, Any]) -> Card:
    answers = [
        Answer(
            id=f"{row['row']}{part}",
            title=t("data.chosen" if part == "chosen" else "data.rejected"),
            response=row[part],
            from_data=True,
        )
        for part in ("chosen", "rejected")
    ]
    title = t("data.row", row=row["row"])
    return Card(id=str(row["row"]), title=title, prompt=row["prompt"], answers=answers)


def offer_downloads(report: Mapping[str, Any]) -> None:
    """Give the report away as a file."""
    with st.container(horizontal=True):
        st.download_button(
            t("data.html"),
            data=lambda: render_html(report).encode(),
            key="data_html",
            file_name="data-report.html",
            mime="text/html",
            on_click="ignore",
        )
        st.download_button(
            t("data.json"),
            data=lambda: json.dumps(report, indent=2).encode(),
            key="data_json",
            file_name="data-report.json",
            mime="application/json",
            on_click="ignore",
        )
