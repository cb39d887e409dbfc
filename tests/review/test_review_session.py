import dataclasses
import json

import pytest
from review_material import prefers, two_sources, vote_all

from drpo.errors import DataError
from drpo.review import ReviewSession, create_review
from drpo.review.session import first_is_left, reviewer_name


@pytest.fixture
def review(store):
    return create_review(store, "r", two_sources(store), items=40, repeats=4)


def test_a_blind_item_holds_texts_and_nothing_of_their_source(store, review):
    item = ReviewSession(store, review.id, "ann").next()
    shown = json.dumps(dataclasses.asdict(item))
    for source in review.sources:
        assert source.run_id not in shown
    assert set(dataclasses.asdict(item)) == {"item", "prompt", "left", "right"}


def test_the_order_is_fixed_for_a_reviewer_and_differs_between_reviewers(review):
    sides = {
        name: [first_is_left(review, name, item.id) for item in review.items]
        for name in ("ann", "ben")
    }
    again = [first_is_left(review, "ann", item.id) for item in review.items]
    assert sides["ann"] == again
    assert sides["ann"] != sides["ben"]


def test_left_and_right_are_drawn_evenly(review):
    left = [
        first_is_left(review, f"reviewer {n}", item.id) for n in range(50) for item in review.items
    ]
    # 2,200 fair draws: within four standard errors of one half.
    assert abs(sum(left) / len(left) - 0.5) < 4 * 0.5 / len(left) ** 0.5


def test_another_secret_gives_another_order(review):
    other = dataclasses.replace(review, secret="00" * 32)
    mine, theirs = ([first_is_left(r, "ann", item.id) for item in r.items] for r in (review, other))
    assert mine != theirs


def test_a_vote_counts_for_the_answer_and_not_for_the_side(store, review):
    session = ReviewSession(store, review.id, "ann")
    vote_all(session, prefers("tuned"))
    for vote in store.votes.all(review.id):
        item = review.item(vote.item)
        winner = {"first": item.first, "second": item.second}[vote.choice]
        assert "tuned" in winner.text


def test_progress_counts_and_ends(store, review):
    session = ReviewSession(store, review.id, "ann")
    assert (session.progress().judged, session.progress().left, session.progress().total) == (
        0,
        44,
        44,
    )
    vote_all(session, lambda _: "tie")
    assert session.next() is None
    assert (session.progress().judged, session.progress().left) == (44, 0)


def test_a_skipped_item_can_be_judged_after_all(store, review):
    session = ReviewSession(store, review.id, "ann")
    first = session.next()
    session.vote(first.item, "skip")
    assert session.next().item != first.item
    assert session.progress().skipped == 1
    assert session.skipped() == first
    session.vote(first.item, "left")
    assert session.skipped() is None
    assert (session.progress().judged, session.progress().skipped) == (1, 0)


def test_a_skip_of_a_skipped_item_brings_the_next_skipped_one(store):
    review = create_review(store, "r", two_sources(store, prompts=6), items=6)
    session = ReviewSession(store, review.id, "ann")
    one = session.next()
    session.vote(one.item, "skip")
    two = session.next()
    session.vote(two.item, "skip")
    vote_all(session, lambda _: "tie")
    assert (session.progress().judged, session.progress().skipped) == (4, 2)
    assert session.skipped() == one
    session.vote(one.item, "skip")
    assert session.skipped() == two
    assert (session.progress().judged, session.progress().skipped) == (4, 2)
    session.vote(two.item, "skip")
    assert session.skipped() == one
    session.vote(one.item, "left")
    assert session.skipped() == two


def test_an_item_has_the_same_number_whenever_it_is_shown(store, review):
    session = ReviewSession(store, review.id, "ann")
    first = session.next()
    session.vote(first.item, "skip")
    assert session.number(session.next().item) == 2
    vote_all(session, lambda _: "tie")
    assert session.skipped() == first
    assert session.number(first.item) == 1
    assert session.number(review.items[-1].id) == len(review.items) == 44


def test_undo_brings_the_last_item_back_and_keeps_the_record(store, review):
    session = ReviewSession(store, review.id, "ann")
    assert session.undo() is None
    first = session.next()
    session.vote(first.item, "left")
    second = session.next()
    session.vote(second.item, "right")
    assert session.undo() == second
    assert session.next() == second
    session.vote(second.item, "tie")
    assert [vote.choice for vote in store.votes.all(review.id)][-1] == "tie"


def test_a_double_click_or_another_tab_votes_once(store, review):
    session, tab = ReviewSession(store, review.id, "ann"), ReviewSession(store, review.id, "ann")
    item = session.next()
    assert session.vote(item.item, "left") == tab.vote(item.item, "right")
    votes = store.votes.all(review.id)
    assert [vote.payload["side"] for vote in votes] == ["left"]


def test_reviewers_do_not_touch_each_other(store, review):
    vote_all(ReviewSession(store, review.id, "ann"), lambda _: "left")
    assert ReviewSession(store, review.id, "ben").progress().judged == 0


def test_sources_are_told_after_the_vote_only(store, review):
    session = ReviewSession(store, review.id, "ann")
    item = session.next()
    assert session.reveal(item.item) is None
    session.vote(item.item, "skip")
    assert session.reveal(item.item) is None
    session.vote(item.item, "left")
    reveal = session.reveal(item.item)
    assert reveal.left in item.left
    assert reveal.right in item.right
    assert reveal.choice == "left"


def test_a_reviewer_s_name_is_tidied_and_must_be_one(store, review):
    assert reviewer_name("  Ａnn   B. ") == "Ann B."
    for bad in ("", "   ", "x" * 65):
        with pytest.raises(DataError, match="name"):
            ReviewSession(store, review.id, bad)


def test_unknown_items_choices_and_reasons_are_refused(store, review):
    session = ReviewSession(store, review.id, "ann")
    with pytest.raises(DataError, match="no item"):
        session.vote("nothing", "left")
    with pytest.raises(DataError, match="Unknown choice"):
        session.vote(session.next().item, "first")
    with pytest.raises(DataError, match="reason"):
        session.vote(session.next().item, "left", reasons=["<script>"])
    assert store.votes.all(review.id) == []
