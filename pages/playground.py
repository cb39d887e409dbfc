"""Playground: one prompt to up to four checkpoints, word by word, and on from any word."""

import streamlit as st

from drpo.dashboard import navigation, playground_view, services
from drpo.dashboard.run_choice import asked_for, offered
from drpo.dashboard.words import t

st.title(t("playground.title"))
st.write(t("playground.lead"))
asked = playground_view.asked_sample()
named = [*([asked.run_id] if asked else []), *asked_for("models")]
newest = services.store().runs.all(limit=playground_view.RUNS)
runs = list(offered(newest, named).values())
if not runs:
    st.caption(t("playground.empty"))
    st.page_link(navigation.path("home"), label=t("live.empty_step"), icon=":material/home:")
    st.stop()

sources = playground_view.choose_sources(runs, asked)
prompt, prefix = playground_view.texts(sources, asked)
how = playground_view.sampling()
playground_view.write_buttons(sources, prompt, prefix, how)
playground_view.show_stream()
playground_view.earlier()
