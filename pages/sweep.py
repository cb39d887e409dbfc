"""Sweep: many runs from one plan, what they say together, and how sure that is."""

import streamlit as st

from drpo.dashboard.client.store import store
from drpo.dashboard.screens.sweep import form, view
from drpo.dashboard.state import url_state
from drpo.i18n import t

sweeps = [(sweep.id, f"{sweep.name} · {sweep.id[-4:]}") for sweep in store().sweeps.all()]
st.title(t("sweep.title"))
st.write(t("sweep.lead"))

with st.expander(t("sweep.new"), expanded=not sweeps, icon=":material/add:", key="plan"):
    started = form.plan_form()
if started:
    url_state.ask("sweep", started)
    st.rerun()
if not sweeps:
    st.caption(t("sweep.empty"))
    st.stop()
view.show_sweep(view.choose_sweep(sweeps))
