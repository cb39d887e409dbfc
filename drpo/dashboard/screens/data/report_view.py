"""The data report on the screen: verdict, problems by row, pictures, resets and split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from drpo.charts import data_charts
from drpo.dashboard.client.data import wording
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.sample_cards import show_cards
from drpo.i18n import format, language, t
from drpo.report import build_data
from drpo.report.data_set import (
    charts,
    example_card,
    filter_heads,
    filter_rows,
    layout_rows,
)


def show_counts(report: Mapping[str, Any]) -> None:
    """Show the four figures that matter first."""
    counts = report["counts"]
    with st.grid(4, min_column_width=140):
        st.metric(t("data.rows"), format.count(counts["rows"]))
        st.metric(t("data.pairs"), format.count(counts["pairs"]))
        st.metric(t("data.prompts"), format.count(counts["prompts"]))
        st.metric(t("data.apart"), format.count(counts["set_apart"]), help=t("data.apart_help"))


def show_charts(report: Mapping[str, Any]) -> None:
    """Draw what the figures say, and say the one about length in words."""
    if not report["counts"]["pairs"]:
        st.caption(t("data.no_warnings"))
        return
    for sentence in (wording.length_bias(report), wording.agreement(report)):
        if sentence:
            st.write(sentence)
    for line in wording.annotators(report):
        st.text(line)  # names come from the file
    with st.grid(2, min_column_width=300):
        for name, figure in charts(report):
            _chart(name, figure, report)


def _chart(name: str, figure: dict[str, Any] | None, report: Mapping[str, Any]) -> None:
    if figure is not None:
        live_chart(
            figure,
            key=f"data_{name}",
            revision=report["content_hash"],
            alt=data_charts.alt_of(figure),
            height=300,
        )


def show_resets(report: Mapping[str, Any]) -> None:
    """Say what the data offer to resets, and what each filter would keep."""
    resets = report["resets"]
    if not resets:
        st.caption(t("data.reason_no_pairs"))
        return
    st.subheader(t("data.positions"))
    st.write(wording.positions(report))
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
    rows = filter_rows(filters)
    if rows:
        st.dataframe(
            pd.DataFrame(rows, columns=filter_heads()),
            hide_index=True,
            alt=t("data.filters_alt"),
        )
    unknown = [t(f"data.filter_{name}") for name, found in filters.items() if not found]
    if unknown:
        st.caption(t("data.filter_unknown", names=", ".join(unknown)))


def show_examples(report: Mapping[str, Any]) -> None:
    """Show how the file was read, and some rows as they will be trained on."""
    known = report["recognised"]
    if not known:
        return
    st.text(t(f"data.shape_{known['shape']}"))
    with st.expander(t("data.recognised")):
        st.text(wording.reading(known))
        st.dataframe(
            pd.DataFrame(layout_rows(known["layout"]), columns=["part", "column"]),
            hide_index=True,
            alt=t("data.recognised"),
            column_config={
                "part": st.column_config.TextColumn(t("data.part")),
                "column": st.column_config.TextColumn(t("data.column")),
            },
        )
    st.subheader(t("data.examples"))
    show_cards([example_card(row) for row in known["examples"]], key="data_examples")
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


def offer_downloads(report: Mapping[str, Any]) -> None:
    """Give the report away as a file."""
    with st.container(horizontal=True):
        st.download_button(
            t("data.html"),
            data=partial(build_data, report, lang=language()),
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
