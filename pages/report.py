"""Report: one file on a run, or on a comparison, to keep or to send."""

import streamlit as st

from drpo.dashboard import navigation
from drpo.dashboard.client.store import store
from drpo.dashboard.components.notices import notice
from drpo.dashboard.components.run_choice import asked_for, offered
from drpo.dashboard.screens.report import view
from drpo.dashboard.state import metric_series
from drpo.i18n import t

st.title(t("report.title"))
runs = offered(store().runs.all(limit=500), asked_for("run", "runs"))
if not runs:
    st.write(t("report.empty"))
    st.page_link(navigation.path("home"), label=t("report.to_home"), icon=":material/home:")
    st.stop()

st.write(t("report.lead"))
chosen = view.choose_runs(runs)
lang, kind = view.choose_form()
if not chosen:
    st.write(t("report.choose"))
    st.stop()
if any(metric_series.is_live(runs[run_id]) for run_id in chosen):
    notice("note", t("report.still_live"))
view.offer_file(chosen, lang, kind)
st.subheader(t("report.inside"))
view.contents([runs[run_id] for run_id in chosen])
