import json

import numpy as np
import pytest
from review_material import add_run, prefers, two_sources, vote_all

from drpo.review import ReviewSession, create_review, results
from drpo.review.results import slices


def test_nobody_voted_yet(store):
    review = create_review(store, "r", two_sources(store))
    found = results(store, review.id)
    (duel,) = found.duels
    assert (duel.human.value, duel.human.low, duel.human.high) == (None, 0.0, 1.0)
    assert (duel.needed.status, duel.votes) == ("no_votes", 0)
    assert (duel.reward_model.value, duel.gap.value) == (None, None)
    assert found.reviewers == ()
    assert found.agreement.status == "no_overlap"
    json.dumps(found.to_dict(), allow_nan=False)


def test_one_vote_decides_nothing(store):
    review = create_review(store, "r", two_sources(store))
    session = ReviewSession(store, review.id, "ann")
    item = session.next()
    session.vote(item.item, prefers("tuned")(item))
    (duel,) = results(store, review.id).duels
    assert (duel.human.value, duel.votes) == (1.0, 1)
    assert not duel.human.excludes(0.5)
    assert duel.needed.status == "open"
    json.dumps(results(store, review.id).to_dict(), allow_nan=False)


def test_all_ties_stay_at_one_half(store):
    review = create_review(store, "r", two_sources(store))
    vote_all(ReviewSession(store, review.id, "ann"), lambda _: "tie")
    found = results(store, review.id)
    (duel,) = found.duels
    assert (duel.human.value, duel.ties) == (0.5, 40)
    assert duel.human.low < 0.5 < duel.human.high
    assert duel.needed.status == "too_close"
    # The learned score says 100 %, people 50 %: the gap says by how much.
    assert (duel.reward_model.value, duel.gap.value) == (1.0, pytest.approx(0.5))


def test_a_consistent_reviewer_decides_and_the_reward_model_agrees(store):
    review = create_review(store, "r", two_sources(store), repeats=8)
    vote_all(ReviewSession(store, review.id, "ann"), prefers("tuned"))
    found = results(store, review.id)
    (duel,) = found.duels
    assert duel.subject.label == "tuned"
    assert (duel.human.value, duel.needed.status, duel.votes) == (1.0, "decided", 40)
    assert duel.gap.value == 0
    (ann,) = found.reviewers
    assert (ann.consistency.same.value, ann.consistency.repeats) == (1.0, 8)
    # Sides are drawn by a secret, so one fair reviewer in a hundred is called biased by chance.
    assert 0 < ann.bias.left.value < 1
    assert found.ranking.scores[0].name == review.sources[1].key


def test_a_reviewer_who_always_says_left_is_found_and_moves_no_rate(store):
    review = create_review(store, "r", two_sources(store, prompts=100), items=100)
    vote_all(ReviewSession(store, review.id, "lefty"), lambda _: "left")
    found = results(store, review.id)
    assert found.reviewers[0].bias.status == "biased"
    assert found.reviewers[0].bias.left.value == 1.0
    assert found.duels[0].human.low < 0.5 < found.duels[0].human.high


def test_a_known_preference_is_recovered_and_votes_on_a_prompt_go_together(store):
    review = create_review(store, "r", two_sources(store, prompts=120), items=120)
    rng = np.random.default_rng(0)
    likes_tuned = dict(zip((i.prompt for i in review.items), rng.random(120) < 0.7, strict=True))

    def choose(item):
        return prefers("tuned" if likes_tuned[item.prompt] else "start")(item)

    for name in ("ann", "ben", "cem"):
        vote_all(ReviewSession(store, review.id, name), choose)
    found = results(store, review.id)
    (duel,) = found.duels
    assert duel.votes == 360
    assert duel.human.low <= 0.7 <= duel.human.high
    # Three equal reviewers are no more evidence than one.
    alone = results(store, review.id, reviewers=["ann"]).duels[0].human
    assert duel.human.high - duel.human.low == pytest.approx(alone.high - alone.low, rel=0.05)
    assert found.agreement.alpha.value == pytest.approx(1.0)


def test_hacked_reward_shows_as_a_gap_between_reward_model_and_people(store):
    review = create_review(store, "r", two_sources(store, gold=(1.0, 0.0)))
    vote_all(ReviewSession(store, review.id, "ann"), prefers("start"))
    (duel,) = results(store, review.id).duels
    assert (duel.human.value, duel.reward_model.value, duel.gold.value) == (0.0, 1.0, 0.0)
    assert duel.gap.value == 1.0
    assert duel.gap.excludes(0)


def test_skipped_and_undone_votes_and_repeats_do_not_count(store):
    review = create_review(store, "r", two_sources(store, prompts=10), items=10, repeats=5)
    session = ReviewSession(store, review.id, "ann")
    vote_all(session, lambda _: "skip")
    assert results(store, review.id).duels[0].votes == 0
    ben = ReviewSession(store, review.id, "ben")
    vote_all(ben, prefers("tuned"))
    assert results(store, review.id).duels[0].votes == 10
    last = review.items[-1]
    ben.undo()
    expected = 10 if last.repeats else 9
    assert results(store, review.id).duels[0].votes == expected


def test_three_checkpoints_are_ranked_in_the_order_people_prefer(store):
    sources = [
        *two_sources(store),
        add_run(store, "best", [(f"best {n}", 2, 2) for n in range(40)]),
    ]
    review = create_review(store, "r", sources, items=90)

    def choose(item):
        order = ["start", "tuned", "best"]
        ranks = [
            next(at for at, word in enumerate(order) if word in text)
            for text in (item.left, item.right)
        ]
        return "left" if ranks[0] > ranks[1] else "right"

    vote_all(ReviewSession(store, review.id, "ann"), choose)
    found = results(store, review.id)
    labels = {source.key: source.label for source in sources}
    assert [labels[s.name] for s in found.ranking.scores] == ["best", "tuned", "start"]
    assert [(d.subject.label, d.other.label) for d in found.duels] == [
        ("tuned", "start"),
        ("best", "start"),
        ("best", "tuned"),
    ]


def test_slices_split_by_length_and_prompt(store):
    start = add_run(store, "start", [("start " * (1 + n % 3 * 3), 0, 0) for n in range(30)])
    tuned = add_run(store, "tuned", [("tuned " * 4, 1, 1) for n in range(30)])
    review = create_review(store, "r", [start, tuned], items=30)

    def longer(item):
        return "left" if len(item.left) > len(item.right) else "right"

    vote_all(ReviewSession(store, review.id, "ann"), longer)
    parts = slices(store, review.id, 1, 0)
    by_length = {part.name: part.human for part in parts if part.kind == "length"}
    assert by_length["longer"].value == 1.0
    assert by_length["shorter"].value == 0.0
    assert by_length["longer"].n + by_length["shorter"].n + by_length["similar"].n == 30
    assert {p.name for p in parts if p.kind == "prompt_length"} <= {"short", "medium", "long"}
    assert sum(p.human.n for p in parts if p.kind == "prompt") == 30


def test_reasons_and_times_are_collected(store):
    review = create_review(store, "r", two_sources(store))
    session = ReviewSession(store, review.id, "ann")
    for seconds in (2.0, 4.0, 9.0):
        session.vote(session.next().item, "left", reasons=["correct", "concise"], seconds=seconds)
    found = results(store, review.id)
    assert found.reasons == {"concise": 3, "correct": 3}
    assert found.reviewers[0].seconds == 4.0
