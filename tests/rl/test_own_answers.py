"""Which of the policy's own answers are kept, and where its failures went wrong."""

import json

import pytest
from test_reset_methods import config_of, trained

from drpo.data.gold_reward import ExactScorer
from drpo.modeling.scorers import Completion
from drpo.modeling.tokenization import TokenizedPair, Vocabulary
from drpo.rl.own_answers import (
    MOST,
    PER_PROMPT,
    OwnAnswer,
    OwnAnswers,
    finder_of,
    right_by_critic,
    right_by_gold,
)
from drpo.rl.resets import Start


def naive(samples, wanted):
    """The rule in words: of each prompt the newest few different answers that are wanted."""
    kept = {}
    for one in samples:
        if one.kind == "episode" and wanted(one):
            text = one.prefix + one.response
            others = [other for other in kept.get(one.item, []) if other != text]
            kept[one.item] = [*others, text][-PER_PROMPT:]
    return kept


@pytest.mark.parametrize("source", ["successes", "failures"])
def test_what_is_kept_is_what_the_rule_says(source, model_folder, reward_folder, tmp_path):
    name = {"successes": "prefixrl", "failures": "rrpo"}[source]
    config = config_of(name, model_folder, reward_folder, updates=5, reset_draws=0)
    level = config.reset.reset_success

    def wanted(one):
        if source == "successes":
            return one.finished and one.score >= level
        return one.start == "prompt" and one.score < level

    models, state, observer = trained(config, tmp_path)
    found = {
        item: [models.vocabulary.text(one.ids) for one in answers]
        for item, answers in state.curriculum.own.kept.items()
    }
    assert found == naive(observer.kept_samples, wanted)
    assert found


def test_draws_before_the_run_keep_what_succeeds(model_folder, reward_folder, tmp_path):
    config = config_of("prefixrl", model_folder, reward_folder, updates=1, reset_draws=40)
    config = config.replace(reset_success=-0.6)
    _, state, observer = trained(config, tmp_path)
    [(_, kind, payload)] = [e for e in observer.events if e[1] == "stage"]
    assert (kind, payload["figures"]["drawn"]) == ("stage", 40)
    assert 0 < payload["figures"]["kept"] <= len(state.curriculum.own) + 8
    # They were written for this run, so they count among its tokens before it has learned at all.
    tokens = {step: v["num_tokens"] for step, v in observer.metrics_at.items() if "num_tokens" in v}
    assert 40 <= tokens[0] < tokens[1] == state.num_tokens
    assert all(one.finished for kept in state.curriculum.own.kept.values() for one in kept)


def own_of(config, ids, finished=True):
    own = OwnAnswers(config)
    own.keep(0, OwnAnswer(ids, finished, 0, len(ids) - 1))
    return own


@pytest.mark.parametrize("fault", range(6))
def test_groups_find_the_first_wrong_token_of_a_failure(fault, model_folder, reward_folder):
    """Whoever begins before the fault may still win; whoever begins after it never does."""
    config = config_of("srpo", model_folder, reward_folder, reset_success=1.0)
    ids = tuple(range(10, 16))
    own = own_of(config, ids)
    answer = TokenizedPair(0, "own", (5,), ids)
    lengths = range(len(ids))
    for _ in range(6):
        prefix = lengths[own.place(answer, lengths)]
        start = Start(answer, True, prefix, prefix, len(ids))
        won = float(prefix <= fault)
        own.learn([start, start], [0.0, won])
    assert own.place(answer, lengths) == fault
    # A group that fails by chance takes it back, towards the prompt.
    own.learn([Start(answer, True, fault, fault, 6)], [0.0])
    assert own.place(answer, lengths) == max(0, fault - 1)


def test_a_failure_is_right_up_to_where_its_text_first_goes_wrong(byte_tokenizer):
    vocabulary = Vocabulary.of(byte_tokenizer)
    prompt = tuple(byte_tokenizer("2+2=")["input_ids"])

    def right(text, answer):
        ids = tuple(byte_tokenizer(text)["input_ids"])
        whole = Completion(prompt, (*ids, 1), "2+2=", text, True, {"answer": answer})
        return right_by_gold(ExactScorer(), vocabulary, whole)

    assert right("12345", "12745") == 2
    assert right("92345", "12345") == 0
    assert right("123", "12345") == 3, "its end came too soon"
    assert right("12あ45", "12い45") == 2, "a character of several tokens begins wrong"


@pytest.mark.parametrize(
    ("changed", "finder"),
    [
        ({"reset_fault": "account", "reward_source": "gold"}, "account"),
        ({"reset_fault": "account", "reward_source": "model"}, "groups"),
        ({"reset_fault": "values", "reward_source": "gold"}, "groups"),
        ({"reset_fault": "values", "advantage": "gae"}, "critic"),
    ],
)
def test_the_gold_scores_account_counts_only_where_it_is_the_reward(
    changed, finder, model_folder, reward_folder
):
    assert finder_of(config_of("srpo", model_folder, reward_folder, **changed)) == finder


def test_the_critic_finds_the_token_that_cost_the_most():
    assert right_by_critic([0.5, 0.6, 0.1, 0.1], 0.0) == 1
    assert right_by_critic([0.5, 0.5, 0.5], 0.0) == 2


def test_answers_of_prompts_seen_longest_ago_go_first(model_folder, reward_folder, monkeypatch):
    monkeypatch.setattr("drpo.rl.own_answers.MOST", 3)
    own = OwnAnswers(config_of("rrpo", model_folder, reward_folder))
    for item in (0, 1, 0, 2, 3):
        own.keep(item, OwnAnswer((item, len(own)), finished=True))
    assert set(own.kept) == {2, 3}
    assert MOST > 3


def test_kept_answers_come_back_from_json(model_folder, reward_folder):
    own = own_of(config_of("srpo", model_folder, reward_folder), (7, 8, 9), finished=False)
    again = OwnAnswers.from_state(own.config, json.loads(json.dumps(own.state())))
    assert again.kept == own.kept
