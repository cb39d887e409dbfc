"""Resets: where each episode of an update started, and how reward depends on the depth."""

import streamlit as st

from drpo.charts import reset_charts
from drpo.dashboard import navigation
from drpo.dashboard.client.store import store
from drpo.dashboard.components.generations import step_slider
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.run_choice import asked_for, label, offered
from drpo.dashboard.screens.resets import view
from drpo.dashboard.state import url_state
from drpo.i18n import t

st.title(t("resets.title"))
st.write(t("resets.lead"))
runs = offered(store().runs.all(limit=500), asked_for("run"))
if not runs:
    st.caption(t("resets.no_runs"))
    st.page_link(navigation.path("home"), label=t("live.empty_step"), icon=":material/home:")
    st.stop()

names = {run.id: label(run) for run in runs.values()}
url_state.recall("run", list(runs), next(iter(runs)))
run_id = st.selectbox(t("resets.run"), list(runs), key="run", format_func=names.get)
url_state.record("run", run_id)
steps = store().samples.steps(run_id, "episode")
if not steps:
    st.caption(t("resets.none"))
    st.stop()

st.subheader(t("resets.map"))
table = view.depth_table(run_id, steps[-1])
on_gold = runs[run_id].trained_on_gold
known = view.known_values(table, on_gold=on_gold)
if known:
    value = view.choose_value("colour", known)
    live_chart(
        reset_charts.heat(table, value),
        key="depths",
        revision=f"{run_id}{value}",
        height=400,
        alt=t("resets.map_help"),
    )
    st.caption(t("resets.map_help"))

st.subheader(t("resets.episodes"))
step = step_slider(steps)
episodes = store().samples.at(run_id, step, "episode")
view.figures(episodes, known)
if known:
    st.markdown(f"**{t('resets.spread')}**")
    value = view.choose_value("spread_of", known)
    live_chart(
        reset_charts.spread(episodes, value),
        key="spread",
        revision=f"{run_id}{step}{value}",
        height=340,
        alt=t("resets.spread_help"),
    )
    st.caption(t("resets.spread_help"))
chosen = view.chosen_episodes(episodes)
view.cards(chosen)
with st.expander(t("resets.table")):
    view.table(chosen, on_gold=on_gold)
