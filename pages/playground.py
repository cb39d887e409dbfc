"""Playground: one prompt to up to four checkpoints, word by word, and on from any word."""

import streamlit as st

from drpo.dashboard import navigation, playground_fields, playground_view, services
from drpo.dashboard.run_choice import asked_for, offered
from drpo.dashboard.words import t

st.title(t("playground.title"))
st.write(t("playground.lead"))
asked = playground_fields.asked_sample()
shown = playground_view.shown()
go_on = playground_fields.take_up()
store = services.store()
named = [*([asked.run_id] if asked else []), *asked_for("models")]
# What wrote the generation shown may have been erased since: then it is simply not offered.
wrote = [one.run for one in shown.answers if store.runs.exists(one.run)] if shown else []
runs = list(offered(store.runs.all(limit=500), [*named, *wrote]).values())
if not runs:
    st.caption(t("playground.empty"))
    st.page_link(navigation.path("home"), label=t("live.empty_step"), icon=":material/home:")
    st.stop()

sources = playground_fields.choose_sources(runs, asked, shown)
prompt, prefix = playground_fields.texts(sources, asked, shown)
how = playground_fields.sampling(shown)
playground_view.write_buttons(sources, prompt, prefix, how, go_on=go_on)
playground_view.show_generation()
playground_view.earlier()
