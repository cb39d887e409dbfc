import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drpo.data.gold_reward import (
    ChainScorer,
    ExactScorer,
    GoldScorer,
    load_gold,
    score_facts,
    sidecar_of,
)
from drpo.errors import DataError

SLOTS = {
    "colour": ("red", "blue", "green"),
    "object": ("bike", "lamp"),
    "day": ("Monday", "Friday"),
}
FACTS = {"colour": "red", "object": "lamp", "day": "Friday"}
GRADED = GoldScorer(SLOTS, strict=False, max_words=10, ending=".")
STRICT = GoldScorer(SLOTS, strict=True, max_words=10, ending=".")


@pytest.mark.parametrize(
    ("answer", "points"),
    [
        (" A red lamp on Friday.", 3),
        (" A RED lamp on friday.", 3),
        (" A blue lamp on Friday.", 2),
        (" A lamp on Friday.", 2),
        (" A blue bike on Monday.", 0),
        ("", 0),
    ],
)
def test_every_fact_said_right_is_a_point(answer, points):
    assert GRADED(answer, FACTS) == points


@pytest.mark.parametrize(
    "answer",
    [
        " A red red lamp on Friday.",  # said twice
        " A red or blue lamp on Friday.",  # hedged with another word of the slot
        " A reddish lamp on Friday.",  # part of another word
    ],
)
def test_saying_a_word_twice_or_beside_another_loses_its_point(answer):
    assert GRADED(answer, FACTS) == 2
    assert STRICT(answer, FACTS) == 0


def test_naming_every_word_of_every_slot_earns_nothing():
    everything = " ".join(word for words in SLOTS.values() for word in words) + "."
    assert GRADED(everything, FACTS) == 0


def test_rambling_and_unfinished_answers_score_nothing_though_all_facts_are_there():
    assert GRADED(" A red lamp on Friday. And so on and on and on.", FACTS) == 0
    assert GRADED(" A red lamp on Friday", FACTS) == 0


def test_strict_is_one_only_when_all_is_right():
    assert STRICT(" A red lamp on Friday.", FACTS) == 1
    assert STRICT(" A red lamp on Monday.", FACTS) == 0


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from([w for ws in SLOTS.values() for w in ws] + ["and"]), max_size=8))
def test_repeating_an_answer_never_raises_its_score(words):
    once = " ".join(words)
    twice = f"{once} {once}"
    one = score_facts(once, FACTS, SLOTS, strict=False)
    assert score_facts(twice, FACTS, SLOTS, strict=False) == 0
    assert 0 <= one <= len(FACTS)


def test_the_score_travels_beside_the_data(tmp_path):
    data = tmp_path / "pairs.jsonl"
    assert load_gold(data) is None
    record = {"kind": "facts", "strict": False, "slots": SLOTS, "max_words": 10, "ending": "."}
    sidecar_of(data).write_text(json.dumps(record), encoding="utf-8")
    assert sidecar_of(data).name == "pairs.jsonl.gold.json"
    assert load_gold(data) == GRADED


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"kind": "facts", "strict": "yes", "slots": {"a": ["b"]}}',
        '{"kind": "other", "strict": true, "slots": {"a": ["b"]}}',
        '{"kind": "facts", "strict": true, "slots": {}}',
        '{"kind": "facts", "strict": true, "slots": {"a": 3}}',
        '{"kind": "facts", "strict": true}',
        '{"kind": "chain", "classes": {}}',
    ],
)
def test_a_damaged_description_is_named(tmp_path, text):
    data = tmp_path / "pairs.csv"
    sidecar_of(data).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"pairs\.csv\.gold\.json: expected"):
        load_gold(data)


def test_a_row_without_its_facts_is_an_error_and_not_a_zero():
    with pytest.raises(DataError, match="colour, object, day"):
        GRADED(" A red lamp on Friday.", {"colour": "red"})


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (" A red lamp on Friday.", None),
        (" A red lamp on Monday.", 15),
        (" A blue lamp on Friday.", 3),
        (" A red lamp on Friday, red.", 23),
        (" A lamp.", None),
        (" A red and so and so on and on and on it goes.", 35),
    ],
)
def test_facts_are_wrong_from_the_first_word_that_no_right_answer_has(text, at):
    assert GRADED.first_wrong(text, FACTS) == at


def test_the_one_right_answer_is_told_from_others_and_up_to_where():
    gold, facts = ExactScorer(), {"answer": "abc"}
    assert [gold(text, facts) for text in ("abc", " abc ", "ab", "abcd", "")] == [1, 1, 0, 0, 0]
    assert gold.first_wrong(" abd", facts) == 3
    assert gold.first_wrong("abcd", facts) == 3
    assert gold.first_wrong("ab", facts) is None


def test_a_chain_follows_hidden_classes_and_has_many_right_answers():
    gold = ChainScorer({"a": 0, "b": 0, "x": 1, "y": 1})
    facts = {"bits": "101"}  # classes 1, 1, 0
    assert [gold(text, facts) for text in ("x y a", " y y b", "x a a", "x y", "x y a a")] == [
        1,
        1,
        0,
        0,
        0,
    ]
    assert gold.first_wrong(" x a a", facts) == 3
    assert gold.first_wrong("x y ?", facts) == 4
    assert gold.first_wrong("x y a b", facts) == 6
    assert gold.first_wrong("x y", facts) is None
