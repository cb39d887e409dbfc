"""Home: open alarms of live runs, what DR-PO is, a click to a run, a real model, two stories."""

import streamlit as st

from drpo.dashboard import client, navigation
from drpo.dashboard.client.store import store
from drpo.dashboard.components import alarm_cards, launch_actions
from drpo.dashboard.components.lock_demo import why_resets_work
from drpo.dashboard.components.run_table import run_table
from drpo.dashboard.screens.home.reset_diagram import show_reset_diagram
from drpo.i18n import t

st.title(t("home.title"))
idle = not client.access.may("launch")
for run in store().runs.all(statuses=("running", "paused")):
    alarm_cards.link_to_alarms(run)
text, picture = st.columns([6, 5], gap="large")
with text:
    st.markdown("\n".join(f"1. {t(f'home.what_{number}')}" for number in (1, 2, 3, 4)))
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if st.button(
            t("home.demo"), type="primary", key="demo", icon=":material/play_arrow:", disabled=idle
        ):
            launch_actions.run_demo()
        if navigation.exists("data"):
            st.page_link(navigation.path("data"), label=t("home.own"), icon=":material/upload:")
    st.caption(t("home.demo_help"))
with picture:
    show_reset_diagram()

with st.container(border=True, key="real_demo"):
    st.markdown(f"**{t('home.real')}**")
    st.write(t("home.real_text"))
    if client.runs.TASKS[client.runs.REAL_TASK].is_here(client.runs.REAL_TASK):
        if st.button(t("home.real_start"), key="start_real", icon=":material/movie:"):
            launch_actions.run_demo(client.runs.REAL_TASK)
    else:
        st.caption(t("home.real_missing"))
        st.code(client.runs.HOW_TO_ADD, language=None)

st.subheader(t("home.stories"))
for place, story in zip(st.columns(2, gap="medium"), client.runs.STORIES.values(), strict=True):
    with place, st.container(border=True, height="stretch", key=f"story_{story.name}"):
        st.markdown(f"**{t(f'home.story_{story.name}')}**")
        st.write(t(f"home.story_{story.name}_text"))
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(t("home.story_start"), key=f"start_{story.name}", disabled=idle):
                launch_actions.run_story(story)
            earlier = launch_actions.last_story(story)
            if earlier:
                st.page_link(
                    navigation.path("live"),
                    label=t("home.story_again"),
                    query_params={"run": earlier[0], "beside": earlier[1]},
                )

st.subheader(t("lock_demo.title"))
why_resets_work()

st.subheader(t("home.latest"))
latest = store().runs.all(limit=8)
if latest:
    run_table(latest, key="latest")
else:
    st.caption(t("home.no_runs"))
