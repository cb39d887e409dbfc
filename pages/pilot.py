"""Pilot: four steps from one's own pairs to a decision on resets."""

import streamlit as st

from drpo.dashboard import navigation
from drpo.dashboard.components.notices import notice
from drpo.dashboard.screens.pilot import data_step, verdict_step, view
from drpo.dashboard.state import services
from drpo.i18n import t
from drpo.pilot import design

store = services.store()
known = {one.id: one for one in design.every(store)}
asked = st.query_params.get("pilot")
one = known.get(asked or "")

st.title(t("pilot.title"))
if one is None:
    st.write(t("pilot.lead"))
    if asked:
        notice("warning", t("pilot.unknown"))
    view.begin(store)
    st.stop()

st.text(one.name)
st.page_link(navigation.path("pilot"), label=t("pilot.all"), icon=":material/arrow_back:")
step = view.stepper()
st.header(t(f"pilot.step_{design.STEPS[step - 1]}"))
match design.STEPS[step - 1]:
    case "data":
        data_step.data(store, one)
    case "runs":
        view.runs(store, one)
    case "verdict":
        verdict_step.verdict(store, one)
    case "decision":
        verdict_step.decision(store, one)
view.next_step(step)
