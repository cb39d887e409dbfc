"""Review: which answer is better, judged without knowing whose it is."""

import streamlit as st

from drpo.dashboard import address, navigation, services
from drpo.dashboard.review_result import result
from drpo.dashboard.review_view import draw_form, judge, reviewer, sources_of
from drpo.dashboard.words import t
from drpo.review import reviews

VIEWS = ("judge", "result", "new")

store = services.store()
known = {review.id: review for review in reviews(store)}
st.title(t("review.title"))
st.write(t("review.lead"))
asked = st.query_params.get("run")
runs = sorted(store.runs.all(limit=100), key=lambda run: run.id != asked)
if not known and not any(sources_of(run) for run in runs):
    st.write(t("review.no_answers"))
    st.page_link(navigation.path("home"), label=t("review.to_home"), icon=":material/home:")
    st.stop()

drawn = st.session_state.pop("review@drawn", None)
if drawn in known:
    st.session_state["view"], st.session_state["review"] = "judge", drawn
address.recall("view", VIEWS, "judge" if known else "new")
view = st.segmented_control(
    t("review.view"), VIEWS, key="view", required=True, label_visibility="collapsed",
    format_func=lambda name: t(f"review.view_{name}"),
)  # fmt: skip
address.record("view", str(view), "judge")

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
    address.recall("review", list(known), next(iter(known)))
    chosen = st.selectbox(
        t("review.which"), list(known), key="review", format_func=lambda key: known[key].name
    )
    address.record("review", chosen)
    name = reviewer() if view == "judge" else ""

if view == "result":
    result(known[chosen])
elif name:
    judge(chosen, name)
else:
    st.caption(t("review.name_first"))
