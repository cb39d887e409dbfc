"""Live: what a run is doing, where reward and KL go, and what the policy writes."""

import streamlit as st

from drpo.dashboard import navigation
from drpo.dashboard.client.store import store
from drpo.dashboard.components.run_choice import asked_for, choose_run, offered
from drpo.dashboard.screens.live.view import choose_beside, show_pair, show_run
from drpo.dashboard.state import metric_series
from drpo.i18n import t

st.title(t("live.title"))
runs = offered(store().runs.all(limit=500), asked_for("run", "beside"))
if not runs:
    st.write(t("live.empty"))
    st.page_link(navigation.path("home"), label=t("live.empty_step"), icon=":material/home:")
    st.stop()

live = [run.id for run in runs.values() if metric_series.is_live(run)]
with st.grid(2, min_column_width=260):
    run = choose_run(runs, (live or list(runs))[0], t("live.run"))
    beside = choose_beside(runs, run.id)
if beside:
    show_pair(run.id, beside)
else:
    show_run(run.id)
