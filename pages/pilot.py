"""Pilot: four steps from one's own pairs to a decision on resets."""

import streamlit as st

from drpo import pilot
from drpo.dashboard import navigation, pilot_data, pilot_verdict, pilot_view, services
from drpo.dashboard.notices import notice
from drpo.dashboard.words import t

store = services.store()
known = {one.id: one for one in pilot.every(store)}
asked = st.query_params.get("pilot")
one = known.get(asked or "")

st.title(t("pilot.title"))
if one is None:
    st.write(t("pilot.lead"))
    if asked:
        notice("warning", t("pilot.unknown"))
    pilot_view.begin(store)
    st.stop()

st.text(one.name)
st.page_link(navigation.path("pilot"), label=t("pilot.all"), icon=":material/arrow_back:")
step = pilot_view.stepper()
st.header(t(f"pilot.step_{pilot.STEPS[step - 1]}"))
match pilot.STEPS[step - 1]:
    case "data":
        pilot_data.data(store, one)
    case "runs":
        pilot_view.runs(store, one)
    case "verdict":
        pilot_verdict.verdict(store, one)
    case "decision":
        pilot_verdict.decision(store, one)
pilot_view.next_step(step)
