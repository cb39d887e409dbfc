"""Sweep: many runs from one plan, what they say together, and how sure that is."""

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.components.trash import offer_delete, offer_restore
from drpo.dashboard.screens.sweep import form, view
from drpo.dashboard.state import url_state
from drpo.i18n import t

sweeps = list(client.sweep.every().items())
st.title(t("sweep.title"))
st.write(t("sweep.lead"))

with st.expander(t("sweep.new"), expanded=not sweeps, icon=":material/add:", key="plan"):
    started = form.plan_form()
if started:
    url_state.ask("sweep", started)
    st.rerun()
if sweeps:
    chosen = view.choose_sweep(sweeps)
    view.show_sweep(chosen)
    offer_delete("sweep", chosen, client.sweep.delete)
else:
    st.caption(t("sweep.empty"))
offer_restore("sweep", client.sweep.every(deleted=True), client.sweep.restore)
