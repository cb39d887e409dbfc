"""Judges that read scores, and the win rate made of their verdicts."""

import pytest

from drpo.data.gold_reward import GoldScorer
from drpo.errors import DataError
from drpo.evaluation import wording
from drpo.evaluation.judges import (
    Match,
    ScoredAnswer,
    ScoreJudge,
    gold_judge,
    recorded_judge,
    reward_model_judge,
)
from drpo.evaluation.winrate import play, summarize
from drpo.i18n import spoken


def lengths(sides):
    return [float(len(answer.text)) for _, answer, _ in sides]


def test_the_higher_score_wins_and_equal_scores_tie():
    matches = [
        Match("p", ScoredAnswer(a), ScoredAnswer(b))
        for a, b in [("xx", "x"), ("x", "xx"), ("x", "y")]
    ]
    assert ScoreJudge("length", lengths).judge(matches) == ["a", "b", "tie"]


def test_scores_within_the_margin_tie():
    matches = [
        Match("p", ScoredAnswer("xxx"), ScoredAnswer("x")),
        Match("p", ScoredAnswer("xx"), ScoredAnswer("x")),
    ]
    assert ScoreJudge("length", lengths, margin=1.5).judge(matches) == ["a", "tie"]


def test_the_reward_model_is_asked_only_for_scores_that_are_not_known():
    class LengthModel:
        """Scores an answer by its length and keeps what it was asked."""

        def __init__(self):
            self.asked = []

        def score_texts(self, prompts, responses, batch_size=32, finished=None):  # noqa: ARG002
            self.asked += list(zip(prompts, responses, finished, strict=True))
            return [float(len(response)) for response in responses]

    model = LengthModel()
    matches = [Match("p", ScoredAnswer("known", score=9.0), ScoredAnswer("new", finished=False))]
    assert reward_model_judge(model).judge(matches) == ["a"]
    assert model.asked == [("p", "new", False)]


def test_the_gold_judge_reads_the_facts_of_the_row():
    gold = GoldScorer({"colour": ("red", "blue"), "day": ("monday", "friday")}, strict=False)
    facts = {"colour": "red", "day": "friday"}
    matches = [
        Match("p", ScoredAnswer("red on friday"), ScoredAnswer("blue on friday"), facts),
        Match("p", ScoredAnswer("red"), ScoredAnswer("friday"), facts),
    ]
    assert gold_judge(gold).judge(matches) == ["a", "tie"]
    with pytest.raises(DataError, match="facts"):
        gold_judge(gold).judge([Match("p", ScoredAnswer("red"), ScoredAnswer("blue"))])


def test_recorded_scores_judge_without_any_model():
    match = Match(
        "p", ScoredAnswer("x", score=1.0, gold=0.0), ScoredAnswer("y", score=0.0, gold=1.0)
    )
    assert recorded_judge("score").judge([match]) == ["a"]
    assert recorded_judge("gold").judge([match]) == ["b"]
    with pytest.raises(DataError, match="without its gold"):
        recorded_judge("gold").judge(
            [Match("p", ScoredAnswer("x", gold=None), ScoredAnswer("y", gold=1.0))]
        )


def test_win_rate_counts_wins_ties_losses_and_leaves_out_the_unjudged():
    rate = summarize("j", ["a", "a", "b", "tie", None], list("abcde"))
    assert (rate.wins, rate.ties, rate.losses, rate.unjudged) == (2, 1, 1, 1)
    assert rate.interval.value == pytest.approx(2.5 / 4)
    assert rate.interval.n == 4


def test_swapping_sides_turns_the_win_rate_around():
    matches = [
        Match(str(n), ScoredAnswer("x" * (n % 5)), ScoredAnswer("x" * (n % 3))) for n in range(60)
    ]
    turned = [Match(m.prompt, m.b, m.a) for m in matches]
    judge = ScoreJudge("length", lengths)
    forward, backward = play(judge, matches).interval, play(judge, turned).interval
    assert forward.value == pytest.approx(1 - backward.value)
    assert forward.low == pytest.approx(1 - backward.high, abs=0.02)


def test_the_sentence_carries_the_interval_and_the_judge():
    rate = summarize("gold", ["a"] * 68 + ["b"] * 32, range(100)).to_dict()
    said = wording.preferred("DR-PO", "the start policy", rate)
    assert "DR-PO against the start policy: preferred in 68 % of 100" in said
    assert "59 to 77 %" in said or "58 to 77 %" in said
    assert "(true score)" in said
    with spoken("ja"):
        assert "68 % で好まれた" in wording.preferred("DR-PO", "x", rate)
    nothing = summarize("gold", [], []).to_dict()
    assert "nothing was judged" in wording.preferred("x", "y", nothing)
