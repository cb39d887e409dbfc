"""Overview: does it work, how sure is that, what was risked, what did it cost."""

import streamlit as st

from drpo.dashboard import navigation
from drpo.dashboard.client.analysis import key_figures, verdict_of
from drpo.dashboard.client.store import store
from drpo.dashboard.components.hero import show_key_figures
from drpo.dashboard.components.lock_demo import why_resets_work
from drpo.dashboard.components.run_choice import asked_for, choose_run, offered
from drpo.dashboard.components.verdict_summary import show_verdict
from drpo.dashboard.screens.overview import presentation, view
from drpo.dashboard.screens.overview.replay import replay
from drpo.dashboard.state import metric_series
from drpo.i18n import t

presenting = presentation.is_on()
if not presenting:
    st.title(t("overview.title"))
runs = offered(store().runs.all(limit=500), asked_for("run"))
if not runs:
    st.write(t("overview.empty"))
    st.page_link(navigation.path("home"), label=t("overview.to_home"), icon=":material/home:")
    st.stop()

finished = [run.id for run in runs.values() if run.status == "finished"]
default = (finished or list(runs))[0]
if presenting:
    presentation.show(presentation.chosen_run(runs, default))
    st.stop()

st.write(t("overview.lead"))
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    run = choose_run(runs, default, t("overview.run"))
    presentation.offer()
verdict, feed = verdict_of(run), metric_series.feed(run.id)
view.say_how_far(verdict)
show_verdict(verdict)
show_key_figures(key_figures(verdict))
if feed.measured:
    st.subheader(t("overview.replay"))
    replay(verdict, feed, feed.events, key="replay")
view.show_risk_and_cost(verdict)
st.subheader(t("overview.deeper"))
view.show_links(run)
with st.expander(t("lock_demo.title")):
    why_resets_work()
with st.expander(t("overview.figures")):
    view.show_figures(verdict)
