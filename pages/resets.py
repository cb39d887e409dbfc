"""Resets: where each episode of an update started, and how reward depends on the depth."""

import streamlit as st

from drpo.dashboard import navigation
from drpo.dashboard.client.store import store
from drpo.dashboard.components.generations import step_slider
from drpo.dashboard.components.run_choice import asked_for, choose_run, offered
from drpo.dashboard.screens.resets import branches, groups, tokens, view
from drpo.i18n import t

st.title(t("resets.title"))
st.write(t("resets.lead"))
runs = offered(store().runs.all(limit=500), asked_for("run"))
if not runs:
    st.caption(t("resets.no_runs"))
    st.page_link(navigation.path("home"), label=t("live.empty_step"), icon=":material/home:")
    st.stop()

run = choose_run(runs, next(iter(runs)), t("resets.run"))
steps = store().samples.steps(run.id, "episode")
if not steps:
    st.caption(t("resets.none"))
    st.stop()

st.subheader(t("resets.map"))
known = view.depth_map(run, steps[-1])
view.depth_by_prompt(run, steps[-1])
st.subheader(t("resets.episodes"))
step = step_slider(steps)
episodes = store().samples.at(run.id, step, "episode")
view.figures(episodes, known)
if known:
    view.spread(run, step, episodes, known)
size = groups.group_size(run)
if size > 1:
    st.subheader(t("resets.groups"))
    together = groups.groups_of(episodes, size)
    if known:
        together = groups.hardest_first(together, known[0])
        groups.figures(together, known[0])
    groups.cards(together)
    st.subheader(t("resets.all_episodes"))
chosen = view.chosen_episodes(episodes)
view.cards(chosen)
branches.show(run, step, chosen)
with st.expander(t("resets.tokens")):
    tokens.show(chosen)
with st.expander(t("resets.table")):
    view.table(chosen, on_gold=run.trained_on_gold)
