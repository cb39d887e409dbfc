"""Pilot: four steps from one's own pairs to a decision on resets."""

import streamlit as st

from drpo.dashboard import client, navigation
from drpo.dashboard.components.notices import notice
from drpo.dashboard.screens.pilot import data_step, decision_step, result_step, view
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
    view.list_and_begin()
    st.stop()

st.text(one.name)
st.page_link(navigation.path("pilot"), label=t("pilot.all"), icon=":material/arrow_back:")
step = view.stepper()
st.header(t(f"pilot.step_{client.pilot.STEPS[step - 1]}"))
match client.pilot.STEPS[step - 1]:
    case "data":
        data_step.show_data(one)
    case "runs":
        view.show_runs(one)
    case "verdict":
        result_step.show_result(one)
    case "decision":
        decision_step.show_decision(one)
view.next_step(step)
