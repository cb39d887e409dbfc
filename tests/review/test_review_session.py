import dataclasses
import json

import pytest
from review_material import prefers, two_sources, vote_all

from drpo.errors import DataError
from drpo.review import Desk, create_review
from drpo.review.session import first_is_left, reviewer_name


@pytest.fixture
def review(store):
    return create_review(store, "r", two_sources(store), items=40, repeats=4)


def test_a_blind_item_holds_texts_and_nothing_of_their_source(store, review):
    item = Desk(store, review.id, "ann").next()
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
    desk = Desk(store, review.id, "ann")
    vote_all(desk, prefers("tuned"))
    for vote in store.votes.all(review.id):
        item = review.item(vote.item)
        winner = {"first": item.first, "second": item.second}[vote.choice]
        assert "tuned" in winner.text


def test_progress_counts_and_ends(store, review):
    desk = Desk(store, review.id, "ann")
    assert (desk.progress().judged, desk.progress().left, desk.progress().total) == (0, 44, 44)
    vote_all(desk, lambda _: "tie")
    assert desk.next() is None
    assert (desk.progress().judged, desk.progress().left) == (44, 0)


def test_a_skipped_item_can_be_judged_after_all(store, review):
    desk = Desk(store, review.id, "ann")
    first = desk.next()
    desk.vote(first.item, "skip")
    assert desk.next().item != first.item
    assert desk.progress().skipped == 1
    assert desk.skipped() == first
    desk.vote(first.item, "left")
    assert desk.skipped() is None
    assert (desk.progress().judged, desk.progress().skipped) == (1, 0)


def test_a_skip_of_a_skipped_item_brings_the_next_skipped_one(store):
    review = create_review(store, "r", two_sources(store, prompts=6), items=6)
    desk = Desk(store, review.id, "ann")
    one = desk.next()
    desk.vote(one.item, "skip")
    two = desk.next()
    desk.vote(two.item, "skip")
    vote_all(desk, lambda _: "tie")
    assert (desk.progress().judged, desk.progress().skipped) == (4, 2)
    assert desk.skipped() == one
    desk.vote(one.item, "skip")
    assert desk.skipped() == two
    assert (desk.progress().judged, desk.progress().skipped) == (4, 2)
    desk.vote(two.item, "skip")
    assert desk.skipped() == one
    desk.vote(one.item, "left")
    assert desk.skipped() == two


def test_an_item_has_the_same_number_whenever_it_is_shown(store, review):
    desk = Desk(store, review.id, "ann")
    first = desk.next()
    desk.vote(first.item, "skip")
    assert desk.number(desk.next().item) == 2
    vote_all(desk, lambda _: "tie")
    assert desk.skipped() == first
    assert desk.number(first.item) == 1
    assert desk.number(review.items[-1].id) == len(review.items) == 44


def test_undo_brings_the_last_item_back_and_keeps_the_record(store, review):
    desk = Desk(store, review.id, "ann")
    assert desk.undo() is None
    first = desk.next()
    desk.vote(first.item, "left")
    second = desk.next()
    desk.vote(second.item, "right")
    assert desk.undo() == second
    assert desk.next() == second
    desk.vote(second.item, "tie")
    assert [vote.choice for vote in store.votes.all(review.id)][-1] == "tie"


def test_a_double_click_or_another_tab_votes_once(store, review):
    desk, tab = Desk(store, review.id, "ann"), Desk(store, review.id, "ann")
    item = desk.next()
    assert desk.vote(item.item, "left") == tab.vote(item.item, "right")
    votes = store.votes.all(review.id)
    assert [vote.payload["side"] for vote in votes] == ["left"]


def test_reviewers_do_not_touch_each_other(store, review):
    vote_all(Desk(store, review.id, "ann"), lambda _: "left")
    assert Desk(store, review.id, "ben").progress().judged == 0


def test_sources_are_told_after_the_vote_only(store, review):
    desk = Desk(store, review.id, "ann")
    item = desk.next()
    assert desk.reveal(item.item) is None
    desk.vote(item.item, "skip")
    assert desk.reveal(item.item) is None
    desk.vote(item.item, "left")
    reveal = desk.reveal(item.item)
    assert reveal.left in item.left
    assert reveal.right in item.right
    assert reveal.choice == "left"


def test_a_reviewer_s_name_is_tidied_and_must_be_one(store, review):
    assert reviewer_name("  Ａnn   B. ") == "Ann B."
    for bad in ("", "   ", "x" * 65):
        with pytest.raises(DataError, match="name"):
            Desk(store, review.id, bad)


def test_unknown_items_choices_and_reasons_are_refused(store, review):
    desk = Desk(store, review.id, "ann")
    with pytest.raises(DataError, match="no item"):
        desk.vote("nothing", "left")
    with pytest.raises(DataError, match="Unknown choice"):
        desk.vote(desk.next().item, "first")
    with pytest.raises(DataError, match="reason"):
        desk.vote(desk.next().item, "left", reasons=["<script>"])
    assert store.votes.all(review.id) == []
