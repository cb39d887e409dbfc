from collections import Counter

import pytest
from review_material import add_run, two_sources

from drpo.errors import DataError
from drpo.review import ReviewSource, create_review, load_review, reviews
from drpo.review.sampling import answers_of


def test_a_review_is_drawn_once_and_reads_back_the_same(store):
    review = create_review(store, "first", two_sources(store), items=12, repeats=3, seed=4)
    assert load_review(store, review.id) == review
    assert reviews(store) == [review]
    assert len(review.items) == 15
    assert len({item.id for item in review.items}) == 15


def test_the_same_seed_draws_the_same_items_and_another_seed_others(store):
    sources = two_sources(store)
    drawn = [
        [item.prompt for item in create_review(store, "r", sources, items=12, seed=seed).items]
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_every_pair_of_sources_gets_about_the_same_number_of_items(store):
    sources = [*two_sources(store), add_run(store, "third", [(f"t {n}", 0, 0) for n in range(40)])]
    review = create_review(store, "r", sources, items=30)
    pairs = Counter(frozenset((i.first.source, i.second.source)) for i in review.items)
    assert sorted(pairs.values()) == [10, 10, 10]


def test_prompts_are_not_repeated_before_all_were_used(store):
    review = create_review(store, "r", two_sources(store), items=40)
    assert len({item.prompt for item in review.items}) == 40


def test_repeats_come_well_after_the_item_they_repeat(store):
    review = create_review(store, "r", two_sources(store), items=20, repeats=6)
    place = {item.id: at for at, item in enumerate(review.items)}
    repeats = [item for item in review.items if item.repeats]
    assert len(repeats) == 6
    for item in repeats:
        original = review.item(item.repeats)
        assert (original.prompt, original.first) == (item.prompt, item.first)
        assert place[original.id] < 10 <= place[item.id]


def test_answers_with_equal_text_are_counted_and_not_shown(store):
    one = add_run(store, "one", [("same", 0, 0), ("mine", 0, 0)])
    two = add_run(store, "two", [("same ", 0, 0), ("yours", 0, 0)])
    review = create_review(store, "r", [one, two])
    assert (len(review.items), review.identical) == (1, 1)


def test_the_data_s_own_chosen_answers_can_be_a_source(store):
    start, _ = two_sources(store, prompts=3)
    chosen = ReviewSource("chosen", start.run_id, start.step, answers="chosen")
    review = create_review(store, "r", [start, chosen])
    assert {item.second.text for item in review.items} == {f"chosen answer {n}" for n in range(3)}


@pytest.mark.parametrize("answers", ["policy", "chosen"])
def test_a_run_trained_on_the_true_score_brings_no_word_of_a_reward_model(store, answers):
    [start, tuned] = two_sources(store)
    config = store.runs.get(tuned.run_id).config
    models = config["models"] | {"reward_source": "gold"}
    store.runs.change(tuned.run_id, config=config | {"models": models})
    known = answers_of(store, ReviewSource("tuned", tuned.run_id, tuned.step, answers), 0)
    assert {(one.score, one.gold) for one in known.values()} == {(None, 1.0)}
    assert {one.score for one in answers_of(store, start, 0).values()} == {0.0}


def test_answers_of_a_later_evaluation_fill_in_what_training_did_not_keep(store):
    one, two = two_sources(store, prompts=1)
    for source in (one, two):
        side = {"text": f"{source.label} evaluated", "score": 1.0, "gold": None, "finished": True}
        body = {"answers": [{"prompt": "another", "policy": side, "chosen": {"text": "c"}}]}
        store.documents.put("evaluation", f"{source.run_id}@{source.step}", body)
    review = create_review(store, "r", [one, two])
    assert {item.prompt for item in review.items} == {"prompt 0", "another"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "  "}, "needs a name"),
        ({"sources": 1}, "two or more different"),
        ({"sources": 0}, "two or more different"),
        ({"items": 0}, "at least one item"),
    ],
)
def test_an_impossible_plan_is_refused(store, change, message):
    sources = two_sources(store)
    plan = {"name": "r", "sources": 2, "items": 5, **change}
    with pytest.raises(DataError, match=message):
        create_review(store, plan["name"], sources[: plan["sources"]], items=plan["items"])
    assert reviews(store) == []


def test_sources_without_a_common_prompt_are_refused(store):
    start, _ = two_sources(store)
    nobody = ReviewSource("nobody", start.run_id, 99)
    with pytest.raises(DataError, match="share no prompt"):
        create_review(store, "r", [start, nobody])
    with pytest.raises(DataError, match="no review"):
        load_review(store, "nothing")
