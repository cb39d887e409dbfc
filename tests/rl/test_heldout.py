"""Held-out evaluation: the same prompts and noise for everybody, figures with their spread."""

from dataclasses import replace

import pytest
import torch
from conftest import tiny_model
from toy import WORDS, toy_config, toy_pairs

from drpo.data.gold_reward import GoldScorer
from drpo.errors import DataError
from drpo.modeling.models import load_models
from drpo.rl.heldout import HeldOut, distinct, figures, repetition, standard_error


@pytest.fixture(scope="module")
def models(model_folder, reward_folder):
    return load_models(toy_config(model_folder(), reward_folder))


@pytest.fixture
def config(model_folder, reward_folder):
    return toy_config(model_folder(), reward_folder)


def test_the_start_policy_has_departed_from_itself_by_nothing(models, config):
    metrics, _ = HeldOut(models, toy_pairs(6), config).evaluate(0)
    assert metrics["eval/kl"] == metrics["eval/kl_se"] == 0.0
    assert metrics["eval/prompts"] == 6


def test_kl_of_another_policy_is_positive_on_every_prompt(models, config):
    drawn = HeldOut(models, toy_pairs(6), config).draw(tiny_model("llama", seed=9))
    assert (drawn.kl > 0).all()


def test_every_run_sees_the_same_prompts_and_noise(models, config):
    one = HeldOut(models, toy_pairs(9), config)
    other = HeldOut(models, toy_pairs(9), config.replace(seed=5, reset_prob=0.0))
    assert torch.equal(one.noise, other.noise)
    assert one.prompts == other.prompts
    assert one.draw(models.policy).completions == other.draw(models.policy).completions
    moved = HeldOut(models, toy_pairs(9), config.replace(eval_seed=1))
    assert not torch.equal(moved.noise, one.noise)


def test_at_temperature_zero_the_noise_decides_nothing(models, config):
    def answers(**settings):
        heldout = HeldOut(models, toy_pairs(9), config.replace(**settings))
        return [completion.ids for completion in heldout.draw(models.policy).completions]

    assert answers(eval_temperature=0.0) == answers(eval_temperature=0.0, eval_seed=1)
    assert answers(eval_temperature=1.0) != answers(eval_temperature=1.0, eval_seed=1)


def test_a_prompt_is_asked_once_and_at_most_as_many_as_configured(models, config):
    heldout = HeldOut(models, [*toy_pairs(4), *toy_pairs(9)], config)
    assert [pair.prompt for pair in heldout.pairs] == [pair.prompt for pair in toy_pairs(6)]


def test_leaving_a_prompt_out_moves_no_other(models, config):
    pairs = toy_pairs(6)
    long = type(pairs[0])("x" * 50, " red", " blue", row=99)
    kept = HeldOut(models, [long, *pairs[:5]], config.replace(long_prompts="drop"))
    whole = HeldOut(models, [pairs[5], *pairs[:5]], config)
    assert torch.equal(kept.noise, whole.noise[1:])


def test_no_held_out_prompt_is_said(models, config):
    with pytest.raises(DataError, match="no held-out prompt"):
        HeldOut(models, [], config)


def test_samples_show_prompt_answer_and_the_chosen_one(models, config):
    heldout = HeldOut(models, toy_pairs(6), config)
    _, samples = heldout.evaluate(3, weights="abc")
    assert len(samples) == config.evaluation.sample_prompts
    for sample, pair in zip(samples, toy_pairs(6), strict=False):
        assert (sample.prompt, sample.offline) == (pair.prompt, pair.chosen)
        assert (sample.step, sample.kind, sample.weights, sample.prefix) == (
            3,
            "heldout",
            "abc",
            "",
        )
        assert sample.offline_score is not None


def test_scores_by_tokens_and_by_text_agree(models, config):
    answers = HeldOut(models, toy_pairs(6), config).draw(models.policy).completions
    readable = [a for a in answers if a.text.isascii() and "\ufffd" not in a.text]
    readable += [
        replace(
            a,
            ids=tuple(models.vocabulary.tokenizer(" red")["input_ids"]) + end,
            text=" red",
            finished=bool(end),
        )
        for a in answers
        for end in ((1,), ())
    ]
    by_text = replace(models.learned, same_tokens=False)
    assert models.learned.same_tokens
    torch.testing.assert_close(
        models.learned.score(readable), by_text.score(readable), atol=1e-4, rtol=1e-4
    )


def test_figures_carry_standard_errors_over_prompts(models, config):
    drawn = HeldOut(models, toy_pairs(6), config).draw(models.policy)
    metrics = figures(drawn)
    assert metrics["eval/scores"] == pytest.approx(float(drawn.scores.mean()))
    assert metrics["eval/scores_se"] == pytest.approx(float(drawn.scores.std()) / 6**0.5)
    assert "eval/gold" not in metrics  # these data know no truth
    assert standard_error(torch.tensor([3.0])) == 0.0


def test_rows_without_facts_are_left_out_of_a_true_score_and_cost_the_others_nothing(
    config,
):
    gold = GoldScorer({"colour": WORDS}, strict=False)
    trained_on_it = config.replace(reward_source="gold", reward_model=None)
    models = load_models(trained_on_it, gold=gold)
    pairs = toy_pairs(6)
    pairs[1] = replace(pairs[1], facts=None)
    heldout = HeldOut(models, pairs, trained_on_it)
    drawn = heldout.draw(models.policy)
    assert drawn.scores.isnan().tolist() == [False, True, False, False, False, False]
    metrics = figures(drawn)
    assert metrics["eval/scores"] == pytest.approx(float(drawn.scores.nanmean()))
    assert metrics["eval/scores"] == metrics["eval/gold"]
    assert metrics["eval/scores_se"] == metrics["eval/gold_se"]
    first, second = heldout.samples(drawn, 0, "")
    assert (first.score, first.offline_score) == (first.gold, 1.0)
    assert (second.score, second.offline_score) == (None, None)


def test_a_score_or_distance_without_end_is_kept_as_unknown(models, config):
    # Browsers cannot read JSON with Infinity in it, and records travel to them as JSON.
    heldout = HeldOut(models, toy_pairs(6), config)
    drawn = heldout.draw(models.policy)
    endless = torch.full_like(drawn.scores, float("inf"))
    for sample in heldout.samples(replace(drawn, scores=-endless, kl=endless, gold=endless), 0, ""):
        assert (sample.score, sample.kl, sample.gold) == (None, None, None)


def test_distinct_and_repetition_hand_worked():
    answers = [(1, 2, 1, 2), (1, 2)]
    assert distinct(1, answers) == pytest.approx(2 / 6)
    assert distinct(2, answers) == pytest.approx(2 / 4)  # 12 21 12 | 12
    assert distinct(2, [(1,)]) == 0.0
    assert repetition((5, 6, 7, 5, 6, 7)) == pytest.approx(1 - 3 / 4)
    assert repetition((5, 6)) == 0.0
