"""Playground: one prompt to up to four checkpoints, word by word, and on from any word."""

import streamlit as st

from drpo.dashboard import navigation
from drpo.dashboard.client.store import store
from drpo.dashboard.components.run_choice import asked_for, offered
from drpo.dashboard.screens.playground import branches, fields, view
from drpo.i18n import t

st.title(t("playground.title"))
st.write(t("playground.lead"))
asked = fields.asked_sample()
shown = view.shown_generation()
go_on = fields.fill_from_click()
named = [*([asked.run_id] if asked else []), *asked_for("models")]
# What wrote the generation shown may have been erased since: then it is simply not offered.
wrote = [one.run for one in shown.answers if store().runs.exists(one.run)] if shown else []
runs = list(offered(store().runs.all(limit=500), [*named, *wrote]).values())
if not runs:
    st.caption(t("playground.empty"))
    st.page_link(navigation.path("home"), label=t("live.empty_step"), icon=":material/home:")
    st.stop()

sources = fields.choose_sources(runs, asked, shown)
prompt, prefix = fields.texts(sources, asked, shown)
how = fields.sampling(shown)
view.write_buttons(sources, prompt, prefix, how, go_on=go_on)
view.show_generation()
branches.show()
view.show_earlier()
