"""Live: what a run is doing, where reward and KL go, and what the policy writes."""

import streamlit as st

from drpo.dashboard import navigation
from drpo.dashboard.client.store import store
from drpo.dashboard.components.run_choice import asked_for, label, offered
from drpo.dashboard.screens.live.view import follow, pair
from drpo.dashboard.state import metric_series, url_state
from drpo.i18n import t

st.title(t("live.title"))
runs = offered(store().runs.all(limit=500), asked_for("run", "beside"))
if not runs:
    st.write(t("live.empty"))
    st.page_link(navigation.path("home"), label=t("live.empty_step"), icon=":material/home:")
    st.stop()

ids = list(runs)
names = {run.id: label(run) for run in runs.values()}
live = [run.id for run in runs.values() if metric_series.is_live(run)]

with st.grid(2, min_column_width=260):
    url_state.recall("run", ids, (live or ids)[0])
    run_id = st.selectbox(t("live.run"), ids, key="run", format_func=names.get)
    # The newest run is no default for a link: tomorrow it would be another.
    url_state.record("run", run_id)
    others = ["", *(other for other in ids if other != run_id)]
    url_state.recall("beside", others, "")
    beside = st.selectbox(
        t("live.beside"), others, key="beside", format_func=lambda i: names.get(i, t("live.none"))
    )
    url_state.record("beside", beside)

if beside:
    pair(run_id, beside)
else:
    follow(run_id)
