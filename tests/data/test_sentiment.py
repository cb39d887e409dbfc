"""A gold score by a lexicon: the text alone decides, and saying it again earns nothing."""

import json
import math

import pytest

from drpo.data import sentiment
from drpo.data.gold_reward import load_gold, sidecar_of
from drpo.data.sentiment import SentimentScorer
from drpo.errors import DataError
from drpo.evaluation.judges import Match, ScoredAnswer, gold_judge
from drpo.modeling.scorers import Completion, GoldScores

SCORE = SentimentScorer()


def test_the_score_is_the_lexicons_by_hand():
    # Of the lexicon: "great" 3.1; the rule of the paper, s / sqrt(s^2 + 15).
    assert SCORE("great") == pytest.approx(3.1 / math.sqrt(3.1**2 + 15), abs=1e-4)
    assert SCORE("a film") == 0
    assert SCORE("") == SCORE(" ... ") == 0


@pytest.mark.parametrize(
    ("warmer", "colder"),
    [
        ("A great film.", "A film."),
        ("A film.", "A terrible film."),
        ("A good film.", "Not a good film."),
        ("A very good film.", "A good film."),
    ],
)
def test_words_their_degree_and_their_negation_count(warmer, colder):
    assert -1 <= SCORE(colder) < SCORE(warmer) <= 1


def test_saying_the_same_again_earns_less():
    assert SCORE("A great film. A great film. A great film.") < SCORE("A great film.")
    assert SCORE("great " * 20) < 0.1


def test_it_travels_beside_the_data_and_needs_no_facts(tmp_path):
    data = tmp_path / "reviews.jsonl"
    sidecar_of(data).write_text(json.dumps({"kind": "sentiment"}), encoding="utf-8")
    gold = load_gold(data)
    assert gold == SCORE
    answer = Completion((1,), (2,), "How was it?", "A great film.", finished=True)
    assert GoldScores(gold).score([answer]).tolist() == pytest.approx([SCORE("A great film.")])
    match = Match("How was it?", ScoredAnswer("Great."), ScoredAnswer("Dull."))
    assert gold_judge(gold).judge([match]) == ["a"]


def test_a_description_with_more_than_its_kind_is_named(tmp_path):
    data = tmp_path / "reviews.jsonl"
    sidecar_of(data).write_text('{"kind": "sentiment", "strict": true}', encoding="utf-8")
    with pytest.raises(DataError, match=r"reviews\.jsonl\.gold\.json: expected .*strict"):
        load_gold(data)


def test_without_the_lexicon_it_is_said_what_to_install(tmp_path, monkeypatch):
    data = tmp_path / "reviews.jsonl"
    sidecar_of(data).write_text('{"kind": "sentiment"}', encoding="utf-8")
    monkeypatch.setattr(sentiment, "PACKAGE", "a_lexicon_that_is_not_here")
    with pytest.raises(DataError, match=r"pip install 'drpo\[real\]'"):
        load_gold(data)
