"""Review: which answer is better, judged without knowing whose it is."""

import streamlit as st

from drpo.dashboard import client, navigation
from drpo.dashboard.client.store import store
from drpo.dashboard.components.run_choice import asked_for, offered
from drpo.dashboard.screens.review.result_view import result
from drpo.dashboard.screens.review.view import draw_form, judge, reviewer, sources_of
from drpo.dashboard.state import url_state
from drpo.i18n import t

VIEWS = ("judge", "result", "new")

known = {review.id: review for review in client.review.every()}
st.title(t("review.title"))
st.write(t("review.lead"))
asked = asked_for("run")
runs = sorted(
    offered(store().runs.all(limit=100), asked).values(), key=lambda run: run.id not in asked
)
if not known and not any(sources_of(run) for run in runs):
    st.write(t("review.no_answers"))
    st.page_link(navigation.path("home"), label=t("review.to_home"), icon=":material/home:")
    st.stop()

# Of a run that a link names: its newest review, or else a new one.
about = [
    review.id
    for review in known.values()
    if not asked or any(source.run_id in asked for source in review.sources)
]
first = "judge" if about else "new"
if asked and not url_state.names_any("view", "review"):
    # Whatever was looked at here before, this link has just been followed.
    st.session_state["view"] = first
    st.session_state["review"] = next(iter(about), None)
drawn = st.session_state.pop("review@drawn", None)
if drawn in known:
    st.session_state["view"], st.session_state["review"] = "judge", drawn
url_state.recall("view", VIEWS, first)
view = st.segmented_control(
    t("review.view"),
    VIEWS,
    key="view",
    required=True,
    label_visibility="collapsed",
    format_func=lambda name: t(f"review.view_{name}"),
)
# Beside a run it is always said: without it, the link stands for what the run has.
url_state.record("view", str(view), "" if asked else "judge")

if view == "new":
    new = draw_form(runs)
    if new:
        st.session_state["review@drawn"] = new
        st.rerun()
    st.stop()
if not known:
    st.write(t("review.none"))
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    url_state.recall("review", list(known), next(iter(about or known)))
    # Streamlit knows an option by its label: of two reviews of one name it would take the last.
    names = {review.id: f"{review.name} · {review.id[-6:]}" for review in known.values()}
    chosen = st.selectbox(t("review.which"), list(known), key="review", format_func=names.get)
    url_state.record("review", chosen)
    name = reviewer() if view == "judge" else ""

if view == "result":
    result(known[chosen])
elif name:
    judge(chosen, name)
else:
    st.caption(t("review.name_first"))
