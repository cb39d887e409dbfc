"""Review: which answer is better, judged without knowing whose it is."""

import streamlit as st

from drpo.dashboard import client, navigation
from drpo.dashboard.client.store import store
from drpo.dashboard.components.run_choice import asked_for, offered
from drpo.dashboard.components.trash import offer_delete
from drpo.dashboard.screens.review import choice
from drpo.dashboard.screens.review.new_review import new_review_form, sources_of
from drpo.dashboard.screens.review.result_view import show_result
from drpo.dashboard.screens.review.voting import vote
from drpo.i18n import t

known = {review.id: review for review in client.review.every()}
st.title(t("review.title"))
st.write(t("review.lead"))
asked = asked_for("run")
may_draw = client.access.may("draw")
runs = sorted(
    offered(store().runs.all(limit=100), asked).values() if may_draw else (),
    key=lambda run: run.id not in asked,
)
if may_draw and not known and not any(sources_of(run) for run in runs):
    st.write(t("review.no_answers"))
    st.page_link(navigation.path("home"), label=t("review.to_home"), icon=":material/home:")
    st.stop()

view = choice.choose_view(known, asked)
if view == "new":
    new = new_review_form(runs)
    if new:
        choice.open_new(new)
    st.stop()
if not known:
    st.write(t("review.none"))
    choice.show_deleted()
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    review = choice.choose_review(known, asked)
    reviewer = choice.ask_reviewer() if view == "judge" else ""
if view == "result":
    show_result(review)
    offer_delete("review", review.id, client.review.delete)
    choice.show_deleted()
elif reviewer:
    vote(review.id, reviewer)
else:
    st.caption(t("review.name_first"))
