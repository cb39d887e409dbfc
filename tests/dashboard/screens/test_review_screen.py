"""The review screen: what it shows before and after the vote, in both languages."""

import json

import pytest
import screens
import streamlit as st
from review_material import add_run, prefers, two_sources, vote_all
from streamlit.testing.v1 import AppTest

from drpo.charts.review_charts import whiskers
from drpo.dashboard.screens.review.result_view import (
    gap_sentence,
    ranking_table,
    reviewers_table,
    shows_reward_hacking,
    slices_table,
)
from drpo.data import load_pairs
from drpo.review import ReviewSession, create_review, results, reviews


@pytest.fixture
def review(store):
    sources = two_sources(store, prompts=12)
    for source in sources:
        store.runs.change(source.run_id, status="finished")
    return create_review(store, "first look", sources, items=12, repeats=2)


def visit(**query):
    app = screens.visit("review", **query)
    assert not app.exception
    return app


def press(app, key):
    app.button(key=key).click().run()
    assert not app.exception


@pytest.mark.usefixtures("store")
def test_without_answers_it_says_what_to_do_first():
    assert any("no" in text.value.lower() for text in visit().markdown)


def test_a_vote_is_taken_and_undone(store, review):
    app = visit(review=review.id, reviewer="ann")
    press(app, "press_left")
    (vote,) = store.votes.all(review.id)
    assert (vote.reviewer, vote.payload["side"]) == ("ann", "left")
    press(app, "press_both_bad")
    press(app, "undo")
    assert len(store.votes.all(review.id)) == 1


def cards(app):
    """What the answers' component shows."""
    held = screens.handed(app)
    return [card for one in held if "cards" in one for card in one["cards"]]


def test_a_vote_stays_with_its_review_when_another_has_the_same_name(store, review):
    sources = [review.sources[0], review.sources[1]]
    same = create_review(store, review.name, sources, items=12, seed=1)
    for chosen in (review, same):
        app = visit(review=chosen.id, reviewer="ann")
        for key in ("press_left", "press_right", "press_tie"):
            press(app, key)
            assert app.selectbox(key="review").value == chosen.id
        assert len(store.votes.all(chosen.id)) == 3


def follow(run_id):
    """Come from another screen by a link that names a run."""
    app = AppTest.from_file(str(screens.MAIN), default_timeout=120)
    app.run()
    app.switch_page(str(screens.ROOT / "pages" / "review.py"))
    app.query_params["run"] = run_id
    app.run()
    assert not app.exception
    return app


def test_a_link_from_a_run_opens_its_own_newest_review(store, review):
    other = create_review(store, "of others", two_sources(store, prompts=4), items=4)
    app = follow(review.sources[1].run_id)
    assert app.segmented_control(key="view").value == "judge"
    assert app.selectbox(key="review").value == review.id
    # Another choice is kept, by the link too.
    app.selectbox(key="review").set_value(other.id).run()
    app.segmented_control(key="view").set_value("result").run()
    link = {name: app.query_params[name] for name in app.query_params}
    again = visit(**link)
    assert again.selectbox(key="review").value == other.id
    assert again.segmented_control(key="view").value == "result"


@pytest.mark.usefixtures("review")
def test_a_link_from_a_run_without_a_review_makes_one_of_it(store):
    source = add_run(store, "archived", [("a", 0.0, 0.0), ("b", 1.0, 1.0)])
    store.runs.change(source.run_id, status="finished", archived=True)
    app = follow(source.run_id)
    assert app.segmented_control(key="view").value == "new"
    keys = app.multiselect(key="sources").value
    assert keys == [f"{source.run_id}@10:chosen", f"{source.run_id}@10:policy"]
    app.segmented_control(key="view").set_value("judge").run()
    assert app.segmented_control(key="view").value == "judge"


def test_skipped_items_come_back_under_their_own_numbers_and_all_can_be_reached(store):
    review = create_review(store, "six", two_sources(store, prompts=6), items=6)
    app = visit(review=review.id, reviewer="ann")
    for key in ("press_skip", "press_skip", *["press_tie"] * 4):
        press(app, key)
    assert [card["title"] for card in cards(app)] == ["Item 1"]
    press(app, "press_skip")
    assert [card["title"] for card in cards(app)] == ["Item 2"]
    press(app, "press_tie")
    press(app, "press_tie")
    assert len(store.votes.all(review.id)) == 6
    assert all(vote.choice == "tie" for vote in store.votes.all(review.id))


def test_before_the_vote_the_page_names_no_source(store, review):
    app = visit(review=review.id, reviewer="ann")
    held = [repr(element) for element in app.main]
    held += [str(vars(element)) for element in app.get("bidi_component")]
    page = "\n".join(held)
    item = ReviewSession(store, review.id, "ann").next()
    assert item.prompt.strip() in page or "drpo_answers" in page
    for source in review.sources:
        assert source.run_id not in page
        assert f"{source.label}'" not in page


def test_the_result_says_the_rate_and_offers_the_votes(store, review):
    vote_all(ReviewSession(store, review.id, "ann"), prefers("tuned"))
    app = visit(review=review.id, view="result", lang="en")
    assert "tuned preferred to start in 100" in "\n".join(part.body for part in app.get("html"))
    press(app, "save_preferences")
    saved = load_pairs("first look", store=store)
    assert len(saved.pairs) == 12
    assert all(pair.evaluation_prompt for pair in saved.pairs)


def test_the_result_speaks_japanese(store, review):
    vote_all(ReviewSession(store, review.id, "ann"), prefers("tuned"))
    app = visit(review=review.id, view="result", lang="ja")
    assert any("票のうち" in part.body for part in app.get("html"))


@pytest.mark.usefixtures("review")
def test_a_review_can_be_drawn_on_the_screen(store):
    app = visit(view="new")
    app.text_input(key="new_review_name").input("second look")
    press(app, "draw_review")
    assert {one.name for one in reviews(store)} == {"first look", "second look"}


@pytest.mark.usefixtures("review")
def test_a_switch_of_language_keeps_the_answers_chosen_for_a_new_review(store):
    tuned, start = (run.id for run in store.runs.all())
    app = visit(view="new", lang="en")
    chosen = [f"{start}@10:policy", f"{tuned}@10:chosen"]
    app.multiselect(key="sources").set_value(chosen).run()
    before = app.multiselect(key="sources").values
    app.segmented_control(key="lang").set_value("ja").run()
    field = app.multiselect(key="sources")
    assert field.value == chosen
    assert set(field.values).isdisjoint(before)
    # A browser sends back the labels it was given last: these must be the new ones.
    assert list(field.proto.raw_values) == field.values
    assert len(set(field.options)) == len(field.options) == 4


def test_tables_and_picture_hold_the_figures(store, review):
    vote_all(ReviewSession(store, review.id, "ann"), prefers("tuned"))
    found = results(store, review.id)
    assert list(ranking_table(found, review)["Name"]) == ["tuned", "start"]
    people = reviewers_table(found)
    assert list(people["Votes"]) == [14]
    figure = whiskers(found.duels)
    assert [trace["x"] for trace in figure["data"]] == [[100.0]] * 3
    json.dumps(figure, allow_nan=False)
    st.cache_resource.clear()
    assert len(slices_table(review, 1, 0)) >= 12


def test_a_gain_that_only_the_reward_model_sees_is_called_by_its_name(store):
    review = create_review(store, "r", two_sources(store, prompts=20), items=20)
    vote_all(ReviewSession(store, review.id, "ann"), prefers("start"))
    (duel,) = results(store, review.id).duels
    assert shows_reward_hacking(duel)
    assert "reward hacking" in gap_sentence(duel)


def test_people_who_waver_but_agree_are_no_sign_of_hacking(store):
    review = create_review(store, "r", two_sources(store, prompts=40), items=40)
    session, wavering = ReviewSession(store, review.id, "ann"), iter(range(40))
    vote_all(session, lambda item: prefers("start" if next(wavering) % 8 == 0 else "tuned")(item))
    (duel,) = results(store, review.id).duels
    assert duel.gap.excludes(0)
    assert not shows_reward_hacking(duel)
    assert "hacking" not in gap_sentence(duel)
