"""Overview: does it work, how sure is that, what was risked, what did it cost."""

import streamlit as st

from drpo.dashboard import navigation
from drpo.dashboard.client.analysis import key_figures, risk_lines, verdict_of, verdict_words
from drpo.dashboard.client.store import store
from drpo.dashboard.components.hero import show_key_figures, show_lines
from drpo.dashboard.components.lock_demo import why_resets_work
from drpo.dashboard.components.run_choice import asked_for, label, offered
from drpo.dashboard.components.verdict_summary import show_verdict
from drpo.dashboard.screens.overview import view
from drpo.dashboard.screens.overview.replay import replay
from drpo.dashboard.state import metric_series, url_state
from drpo.i18n import t

presenting = url_state.asked("present") == "1"
if not presenting:
    st.title(t("overview.title"))
runs = offered(store().runs.all(limit=500), asked_for("run"))
if not runs:
    st.write(t("overview.empty"))
    st.page_link(navigation.path("home"), label=t("overview.to_home"), icon=":material/home:")
    st.stop()

ids = list(runs)
finished = [run.id for run in runs.values() if run.status == "finished"]
url_state.recall("run", ids, (finished or ids)[0])

if presenting:
    view.stage()
    if st.button(t("overview.leave"), key="leave", icon=":material/close:"):
        url_state.forget("present")
        st.rerun()
    run = runs[st.session_state["run"]]
else:
    st.write(t("overview.lead"))
    # Streamlit knows a choice by its label: each must be one run's, and stay it when the run ends.
    names = {run.id: label(run) for run in runs.values()}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.selectbox(t("overview.run"), ids, key="run", format_func=names.get)
        if st.button(
            t("overview.present"),
            key="present",
            help=t("overview.present_help"),
            icon=":material/present_to_all:",
        ):
            url_state.ask("present", "1")
            st.rerun()
    run = runs[st.session_state["run"]]
url_state.record("run", run.id)

verdict = verdict_of(store(), run)
feed = metric_series.feed(run.id)
if presenting:
    if feed.measured:
        replay(verdict, feed, feed.events, key="stage", stage=True)
    else:
        show_verdict(verdict)
    st.stop()

view.state(verdict)
show_verdict(verdict)
show_key_figures(key_figures(verdict))
if feed.measured:
    st.subheader(t("overview.picture"))
    replay(verdict, feed, feed.events, key="replay")

left, right = st.columns([3, 2], gap="large")
with left:
    st.subheader(t("overview.risked"))
    show_lines(risk_lines(verdict))
with right:
    st.subheader(t("overview.cost"))
    show_lines([(verdict_words.cost_told(verdict.cost), False)])

st.subheader(t("overview.deeper"))
with st.container(horizontal=True):
    for name, icon in (
        ("live", "monitoring"),
        ("report", "description"),
        ("review", "how_to_vote"),
    ):
        if navigation.exists(name):
            st.page_link(
                navigation.path(name),
                label=t(f"overview.to_{name}"),
                icon=f":material/{icon}:",
                query_params={"run": run.id},
            )

with st.expander(t("theory.title")):
    why_resets_work()
with st.expander(t("overview.figures")):
    table = view.table(verdict)
    st.dataframe(table, hide_index=True)
    st.download_button(
        t("overview.download"),
        table.to_csv(index=False).encode(),
        f"{run.id}-verdict.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )
