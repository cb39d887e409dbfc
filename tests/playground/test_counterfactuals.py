"""Continuations from any token of an answer, what positions are worth, and where it was decided."""

import dataclasses
import json

import pytest
import torch
from alarm_runs import teach

from drpo.data.gold_reward import ExactScorer
from drpo.data.sentiment import SentimentScorer
from drpo.errors import DataError
from drpo.modeling.model_loading import load_causal
from drpo.modeling.models import load_vocabulary
from drpo.modeling.reward_model import load_reward_model
from drpo.modeling.weights_hash import weights_hash
from drpo.playground.branching import SEED_STRIDE, branch
from drpo.playground.counterfactuals import (
    Continuation,
    decision,
    finer,
    inside,
    judge,
    spread,
    values,
)
from drpo.playground.generation import Voice, draw
from drpo.playground.gold import any_text, gold_for
from drpo.playground.protocol import Sampling
from drpo.stats.intervals import mean_over_seeds, wilson

PROMPT = "1 blue:"
ANSWER = " a 猫 b"
HOW = Sampling(max_tokens=16, seed=3)


@pytest.fixture(scope="module")
def voice(tmp_path_factory, byte_tokenizer, model_folder, reward_folder):
    """A policy that was taught a little, with a reward model and a gold score of any text."""
    folder = teach(tmp_path_factory.mktemp("taught"), byte_tokenizer, steps=60)
    policy = load_causal(folder).eval()
    return Voice(
        policy=policy,
        start=load_causal(model_folder()).eval(),
        vocabulary=load_vocabulary(folder, policy),
        reward=load_reward_model(reward_folder),
        weights=weights_hash(policy),
        device=torch.device("cpu"),
        gold=SentimentScorer(),
    )


def drawn(voice, positions, count=4, how=HOW, facts=None):
    """The lines of a request, and its continuations by position."""
    lines = list(
        branch(voice, PROMPT, ANSWER, facts, positions=positions, count=count, sampling=how)
    )
    found = {x["position"]: x["continuations"] for x in lines if x["kind"] == "continuations"}
    return lines, found


def by_hand(voice, position, row, count, how=HOW):
    """One continuation the slow way: alone, without a cache, a whole forward pass a token."""
    context = voice.vocabulary.prompts([PROMPT])[0]
    given = voice.vocabulary.answers([PROMPT], [ANSWER], finished=[False])[0][:position]
    noise = torch.Generator().manual_seed(how.seed * SEED_STRIDE + position)
    written = []
    while len(given) + len(written) < how.max_tokens:
        uniform = torch.rand(count, generator=noise, dtype=torch.float64)[row]
        ids = torch.tensor([[*context, *given, *written]])
        logits = voice.policy(ids).logits[0, -1].detach()
        written.append(draw(logits, uniform[None], how))
        if written[-1] in voice.vocabulary.stops:
            break
    before = voice.vocabulary.continuation(context, given)
    whole = voice.vocabulary.continuation(context, [*given, *written])
    finished = bool(written) and written[-1] in voice.vocabulary.stops
    ids = torch.tensor([[*context, *given, *written]])
    # Pooling "last": what stands after the last token is the score.
    with torch.no_grad():
        score = float(voice.reward.token_scores(ids, torch.ones_like(ids))[0, -1])
    return before, whole, finished, score


@pytest.mark.parametrize("temperature", [1.0, 0.0])
def test_continuations_are_those_that_each_row_alone_would_have_been_given(voice, temperature):
    how = dataclasses.replace(HOW, temperature=temperature)
    _, found = drawn(voice, [0, 3], how=how)
    for position, continuations in found.items():
        for row, one in enumerate(continuations):
            before, whole, finished, score = by_hand(voice, position, row, 4, how)
            assert (before + one["text"], one["finished"]) == (whole, finished)
            assert one["score"] == pytest.approx(score, abs=1e-4)
            assert one["gold"] == pytest.approx(SentimentScorer()(whole, {}))
    different = len({one["text"] for one in found[0]})
    assert different == 1 if temperature == 0 else different > 1


def test_a_position_is_continued_alike_alone_and_among_others(voice):
    _, alone = drawn(voice, [2])
    _, among = drawn(voice, [1, 2, 4])
    assert alone[2] == among[2]
    assert among[1] != among[2]


def test_the_answers_tokens_are_told_and_the_writing_can_be_left_at_any_of_them(voice):
    lines, found = drawn(voice, [])
    assert found == {}
    assert "".join(lines[1]["tokens"]) == ANSWER
    ids = voice.vocabulary.answers([PROMPT], [ANSWER], finished=[False])[0]
    assert len(lines[1]["tokens"]) == len(ids) > len(ANSWER), "a character of several tokens"
    kinds = [line["kind"] for line in drawn(voice, [0])[0]]
    # One line a token: whoever stops is obeyed after the present one.
    assert kinds[:2] == ["weights", "tokens"]
    assert 1 <= kinds.count("beat") <= HOW.max_tokens


def test_an_answer_that_fills_its_length_goes_on_with_nothing(voice):
    short = dataclasses.replace(HOW, max_tokens=2)
    _, found = drawn(voice, [5], how=short)
    assert [one["text"] for one in found[5]] == [""] * 4
    assert not found[5][0]["finished"]


def test_a_gold_score_that_asks_for_facts_is_given_those_of_the_prompt(voice):
    exact = dataclasses.replace(voice, gold=ExactScorer())
    _, found = drawn(exact, [0], facts={"answer": "no such answer"})
    assert {one["gold"] for one in found[0]} == {0.0}


def test_a_position_outside_the_answer_is_refused(voice):
    with pytest.raises(DataError, match="a position is 0 to"):
        drawn(voice, [99])


def test_the_facts_of_a_prompt_come_from_the_runs_data(tmp_path):
    rows = [
        {"prompt": "1+1= ", "chosen": "2", "rejected": "3", "facts": {"answer": "2"}},
        {"prompt": "1+2= ", "chosen": "3", "rejected": "4", "facts": {"answer": "3"}},
    ]
    data = tmp_path / "sums.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert gold_for(str(data), "1+2= ") == (None, None)
    data.with_name("sums.jsonl.gold.json").write_text('{"kind": "exact"}', encoding="utf-8")
    gold, facts = gold_for(str(data), "1+2= ")
    assert gold("3", facts) == 1.0
    assert gold_for(str(data), "a typed question") == (None, None)
    assert any_text(str(data)) is None, "it asks for facts"


def ends(*outcomes, gold=False):
    """Continuations with these outcomes."""
    return [
        Continuation("", True, None if gold else one, one if gold else None) for one in outcomes
    ]


@pytest.mark.parametrize(
    ("tokens", "most", "expected"),
    [(0, 24, [0]), (3, 24, [0, 1, 2, 3]), (10, 3, [0, 5, 10]), (100, 5, [0, 25, 50, 75, 100])],
)
def test_positions_are_spread_evenly_and_reach_both_ends(tokens, most, expected):
    assert spread(tokens, most) == expected


def test_what_lies_inside_a_span_can_be_measured_next():
    assert inside(25, 50, 24) == list(range(26, 50))
    assert inside(0, 100, 3) == [1, 50, 99]
    assert inside(3, 5) == [4]
    assert inside(3, 4) == []


def test_the_true_score_judges_where_all_have_one():
    assert judge({0: ends(1.0, gold=True)}) == "gold"
    assert judge({0: ends(1.0, gold=True), 1: ends(2.0)}) is None
    assert judge({0: ends(1.0), 1: ends(2.0)}) == "score"
    assert judge({}) is None
    assert values({0: [Continuation("", True, None, None)]}) == []


def test_values_carry_the_interval_that_fits_their_outcomes():
    shares = values({4: ends(1.0, 1.0, 0.0, 1.0), 0: ends(0.0, 0.0, 0.0, 0.0)})
    assert [one.position for one in shares] == [0, 4]
    assert [one.outcome for one in shares] == [wilson(0, 4), wilson(3, 4)]
    means = values({0: ends(0.1, 0.5, 0.9, 0.3)})
    assert means[0].outcome == mean_over_seeds([0.1, 0.5, 0.9, 0.3])


def test_four_continuations_that_came_out_alike_are_not_taken_for_certain():
    same, other = values({0: ends(2.0, 2.0, 2.0, 2.0), 1: ends(2.0, 4.0, 3.0, 2.5)})
    assert same.outcome.value == same.outcome.low == 2.0, "nothing lower was seen"
    assert same.outcome.high == pytest.approx(2.0 + 2.0 * (1 - wilson(4, 4).low))
    assert other.outcome.low < same.outcome.high


def test_the_outcome_was_decided_where_the_largest_change_stands_clear_of_chance():
    right, wrong = ends(*[1.0] * 16), ends(*[0.0] * 16)
    half = ends(*[0.0, 1.0] * 8)
    found = decision(values({0: half, 3: right, 4: wrong, 6: wrong}))
    assert (found.start, found.end, found.change) == (3, 4, -1.0)
    risen = decision(values({0: wrong, 5: right, 6: half}))
    assert (risen.start, risen.end, risen.change) == (0, 5, 1.0)


def test_small_steps_decide_nothing_by_themselves():
    steps = [ends(*[1.0] * ones, *[0.0] * (8 - ones)) for ones in (8, 6, 4, 2, 0)]
    assert decision(values(dict(enumerate(steps)))) is None
    assert decision([]) is None


def test_what_is_measured_next_lies_where_it_was_decided_else_where_least_is_known():
    right, wrong = ends(*[1.0] * 8), ends(*[0.0] * 8)
    assert finer(values({0: right, 20: right, 24: wrong})) == [21, 22, 23]
    assert finer(values({0: right, 1: wrong, 5: wrong})) == [2, 3, 4], "decided by one token"
    assert finer(values({0: right, 1: wrong})) == []
    assert finer([]) == []
