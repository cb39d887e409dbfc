"""Compare: up to six runs over each other, and what they write to the same prompts."""

import streamlit as st

from drpo.dashboard import address, compare_charts, frames, navigation, services
from drpo.dashboard.compare_view import MOST, compared, pick_metric
from drpo.dashboard.generations import generations
from drpo.dashboard.live_chart import live_chart
from drpo.dashboard.run_charts import metric_title
from drpo.dashboard.run_table import run_table
from drpo.dashboard.words import t

store = services.store()
runs = {run.id: run for run in store.runs.all(limit=500)}
st.title(t("compare.title"))
st.write(t("compare.lead"))
if not runs:
    st.page_link(navigation.path("home"), label=t("live.empty_step"), icon=":material/home:")
    st.stop()

names = {run.id: f"{run.name} · {run.id[-6:]}" for run in runs.values()}
address.recall_many("runs", list(runs), list(runs)[:2])
chosen = st.multiselect(
    t("compare.runs"), list(runs), key="runs", format_func=names.get, max_selections=MOST,
    placeholder=t("compare.choose"),
)  # fmt: skip
address.record("runs", chosen)
if not chosen:
    st.caption(t("compare.none"))
    st.stop()

picked = [runs[run_id] for run_id in chosen[:MOST]]
feeds = [frames.feed(run.id) for run in picked]
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    metric = pick_metric(feeds)
    grouped = st.toggle(t("compare.by_seed"), key="by_seed", help=t("compare.by_seed_help"))
lines = compared(picked, feeds, by_seed=grouped)
revision = ",".join(chosen)
title, unit = metric_title(metric)

left, right = st.columns(2, gap="medium")
with left:
    live_chart(
        compare_charts.over_steps(lines, metric, title=title, unit=unit), key="compare_metric",
        revision=revision + metric, group="compare", height=400, alt=t("compare.alt", name=title),
    )  # fmt: skip
with right:
    live_chart(
        compare_charts.over_steps(
            lines, "eval/kl", title=t("charts.kl"), unit=t("charts.unit_kl")
        ),
        key="compare_kl", revision=revision, group="compare", height=400,
        alt=t("compare.alt", name=t("charts.kl")),
    )  # fmt: skip
st.subheader(t("compare.frontier"))
st.caption(t("compare.frontier_help"))
live_chart(
    compare_charts.frontier(lines, metric, title=title, unit=unit), key="compare_frontier",
    revision=revision + metric, height=440, alt=t("compare.frontier_help"),
)  # fmt: skip
generations(picked, [run.name for run in picked])
st.subheader(t("compare.differences"))
differing = frames.settings_that_differ(picked)
if differing.empty:
    st.caption(t("live.same_settings"))
else:
    st.dataframe(differing.rename(columns=names), key="differences", alt=t("compare.differences"))
run_table(picked, key="compared")
