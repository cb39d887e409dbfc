"""Pilot: four steps from one's own pairs to a decision on resets."""

import streamlit as st

from drpo.dashboard import client, navigation
from drpo.dashboard.components.notices import notice
from drpo.dashboard.screens.pilot import data_step, verdict_step, view
from drpo.dashboard.state import url_state
from drpo.i18n import t

known = {one.id: one for one in client.pilot.every()}
asked = url_state.asked("pilot")
one = known.get(asked)

st.title(t("pilot.title"))
if one is None:
    st.write(t("pilot.lead"))
    if asked:
        notice("warning", t("pilot.unknown"))
    view.begin()
    st.stop()

st.text(one.name)
st.page_link(navigation.path("pilot"), label=t("pilot.all"), icon=":material/arrow_back:")
step = view.stepper()
st.header(t(f"pilot.step_{client.pilot.STEPS[step - 1]}"))
match client.pilot.STEPS[step - 1]:
    case "data":
        data_step.data(one)
    case "runs":
        view.runs(one)
    case "verdict":
        verdict_step.verdict(one)
    case "decision":
        verdict_step.decision(one)
view.next_step(step)
