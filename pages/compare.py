"""Compare: up to six lines over each other, what they cost in KL, and what the runs write."""

import streamlit as st

from drpo.dashboard import navigation
from drpo.dashboard.client.analysis import settings_that_differ
from drpo.dashboard.client.store import store
from drpo.dashboard.components.run_choice import asked_for, label, offered
from drpo.dashboard.screens.compare import evaluation_view, view
from drpo.dashboard.screens.compare.run_list import DELETED, show_run_list
from drpo.dashboard.state import metric_series
from drpo.i18n import t

everything = store().runs.all(limit=500, archived=True)
st.title(t("compare.title"))
st.write(t("compare.lead"))
# What was deleted on this screen is listed below, with the way back.
asked = [run_id for run_id in asked_for("runs") if run_id not in st.session_state.get(DELETED, [])]
runs = offered(everything, asked)
if not runs:
    st.page_link(navigation.path("home"), label=t("live.empty_step"), icon=":material/home:")
    show_run_list([])
    st.stop()

picked = view.choose_runs(list(runs.values()))
if not picked:
    st.caption(t("compare.none"))
    show_run_list(everything)
    st.stop()

feeds = [metric_series.feed(run.id) for run in picked]
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    metric = view.choose_metric(feeds)
    grouped = view.join_seeds()
lines = view.drawn_lines(picked, feeds, by_seed=grouped)
revision = ",".join(run.id for run in picked)
view.curves(lines, metric, revision)
st.subheader(t("compare.frontier"))
st.caption(t("compare.frontier_help"))
view.frontier(picked, lines, metric, revision + metric)
evaluation_view.over_optimisation(picked, feeds, revision=revision)
evaluation_view.evaluation(picked)
st.subheader(t("compare.differences"))
differing = settings_that_differ(picked, feeds)
if differing.empty:
    st.caption(t("live.same_settings"))
else:
    names = {run.id: label(run) for run in picked}
    st.dataframe(differing.rename(columns=names), key="differences", alt=t("compare.differences"))
show_run_list(everything)
