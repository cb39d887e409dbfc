import json
import math
import random
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from toy import tuned_adapter
from transformers import AutoModelForCausalLM, AutoTokenizer

from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.errors import DataError, ModelError
from drpo.modeling.model_loading import load_causal
from drpo.modeling.reward_model import load_reward_model
from drpo.stages import fit, train_dpo, train_reward_model, train_sft
from drpo.stages.examples import Example
from drpo.stages.reward import margins_of, ranking_loss


def digit_pairs(count, seed):
    """Preferred: the prompt's letter again. The other one: a wrong letter."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        right, wrong = rng.sample("abcd", 2)
        rows.append(Pair(f"{right}:", f" {right}", f" {wrong}"))
    return rows


PAIRS, HELDOUT = digit_pairs(96, 0), digit_pairs(40, 1)


def settings(folder, **values):
    return RunConfig.of(data="none", policy=str(folder), device="cpu", seed=3, **values)


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_sft_learns_the_chosen_answers_and_leaves_a_whole_folder(model_folder, tmp_path):
    config = settings(model_folder(), sft_epochs=25, sft_learning_rate=1e-2, sft_batch_size=32)
    result = train_sft(config, PAIRS, tmp_path / "sft", heldout=HELDOUT)
    assert result.metrics["loss"] < 0.35  # four letters at chance: ln 4 / 3 tokens = .46
    model = AutoModelForCausalLM.from_pretrained(result.folder)
    tokenizer = AutoTokenizer.from_pretrained(result.folder)
    ids = tokenizer("c:", return_tensors="pt")
    written = model.generate(
        input_ids=ids["input_ids"],
        attention_mask=ids["attention_mask"],
        do_sample=False,
        max_new_tokens=4,
    )
    assert tokenizer.decode(written[0]) == "c: c<end>"
    assert [path.name for path in tmp_path.iterdir()] == ["sft"]


def test_sft_goes_on_from_an_adapter_and_leaves_whole_weights(model_folder, tmp_path):
    tuned = tuned_adapter(tmp_path / "tuned", model_folder())
    config = settings(tuned, sft_epochs=0.05, sft_learning_rate=1e-9, sft_batch_size=32)
    result = train_sft(config, PAIRS, tmp_path / "sft", heldout=HELDOUT)
    assert not (result.folder / "adapter_config.json").exists()
    name = "model.layers.0.self_attn.q_proj.weight"
    after, before, base = (
        load_causal(folder).state_dict()[name] for folder in (result.folder, tuned, model_folder())
    )
    torch.testing.assert_close(after, before)
    assert float((before - base).abs().max()) > 0.01


@pytest.mark.parametrize("pooling", ["last", "sum", "min"])
def test_the_reward_model_learns_to_rank_unseen_pairs(model_folder, tmp_path, pooling):
    config = settings(
        model_folder(), rm_epochs=30, rm_learning_rate=5e-3, rm_batch_size=32, rm_pooling=pooling
    )
    result = train_reward_model(config, PAIRS, tmp_path / "rm", heldout=HELDOUT)
    reward = load_reward_model(result.folder)
    assert reward.pooling == pooling
    chosen = reward.score_texts([p.prompt for p in HELDOUT], [p.chosen for p in HELDOUT])
    rejected = reward.score_texts([p.prompt for p in HELDOUT], [p.rejected for p in HELDOUT])
    wins = [better > worse for better, worse in zip(chosen, rejected, strict=True)]
    assert result.metrics["accuracy"] == pytest.approx(sum(wins) / len(wins))
    assert result.metrics["accuracy"] >= 0.9
    margin = (sum(chosen) - sum(rejected)) / len(HELDOUT)
    assert result.metrics["margin"] == pytest.approx(margin, abs=1e-4)


def test_a_sum_of_scores_begins_at_nothing(model_folder, tmp_path):
    config = settings(
        model_folder(), rm_epochs=0.05, rm_learning_rate=1e-9, rm_batch_size=32, rm_pooling="sum"
    )
    reward = load_reward_model(train_reward_model(config, PAIRS, tmp_path / "rm").folder)
    scores = reward.score_texts([p.prompt for p in HELDOUT], [p.chosen for p in HELDOUT])
    assert max(map(abs, scores)) < 1e-5


def test_a_margin_is_taken_off_the_gap_in_units_of_the_mean_margin():
    chosen, rejected = torch.tensor([2.0, 0.5]), torch.tensor([1.0, 0.5])
    found = ranking_loss(chosen, rejected, torch.tensor([1.0, 0.0]))
    # Both gaps less their margin are 0: -log sigmoid(0) = ln 2; sums 3 and 1 are pulled to 0.
    assert found == pytest.approx(math.log(2) + 0.01 * (9 + 1) / 2)
    pairs = [Pair("p:", " a", " b", margin=margin) for margin in (1.0, 3.0, None, -2.0)]
    assert margins_of(pairs) == [0.5, 1.5, 0.0, 0.0]
    assert margins_of([Pair("p:", " a", " b")]) == [0.0]


def test_a_margin_is_asked_for_in_training_where_the_setting_says_so(model_folder, tmp_path):
    pairs = [replace(pair, margin=1.0) for pair in PAIRS]
    gaps = {}
    for weight in (0.0, 2.0):
        config = settings(
            model_folder(),
            rm_epochs=20,
            rm_learning_rate=5e-3,
            rm_batch_size=32,
            rm_margin_weight=weight,
        )
        result = train_reward_model(config, pairs, tmp_path / f"rm-{weight}", heldout=HELDOUT)
        gaps[weight] = result.metrics["margin"]
    assert gaps[2.0] > gaps[0.0] + 1.0


def test_the_language_modelling_loss_keeps_the_network_able_to_write(model_folder, tmp_path):
    losses = {}
    for weight in (0.0, 2.0):
        config = settings(
            model_folder(),
            rm_epochs=8,
            rm_learning_rate=5e-3,
            rm_batch_size=32,
            rm_pooling="sum",
            rm_lm_weight=weight,
        )
        steps = []
        train_reward_model(
            config,
            PAIRS,
            tmp_path / f"rm-{weight}",
            progress=lambda *call, steps=steps: steps.append(call),
        )
        # A frozen look from outside: how well the trained body still predicts, by its own output.
        body = load_reward_model(tmp_path / f"rm-{weight}").classifier.base_model
        head = AutoModelForCausalLM.from_pretrained(model_folder()).get_output_embeddings()
        tokenizer = AutoTokenizer.from_pretrained(model_folder())
        ids = torch.tensor([tokenizer("a: a")["input_ids"]])
        logits = head(body(input_ids=ids).last_hidden_state)
        losses[weight] = torch.nn.functional.cross_entropy(logits[0, 1:-1], ids[0, 2:]).item()
    assert losses[2.0] < losses[0.0] - 1


def test_dpo_raises_chosen_over_rejected_and_reports_it(model_folder, tmp_path):
    config = settings(
        model_folder(), dpo_epochs=10, dpo_learning_rate=5e-3, dpo_batch_size=32, dpo_beta=0.1
    )
    result = train_dpo(config, PAIRS, tmp_path / "dpo", heldout=HELDOUT)
    assert result.metrics["rewards/accuracies"] >= 0.8
    assert result.metrics["rewards/margins"] == pytest.approx(
        result.metrics["rewards/chosen"] - result.metrics["rewards/rejected"], abs=1e-3
    )
    start = AutoModelForCausalLM.from_pretrained(model_folder())
    trained = AutoModelForCausalLM.from_pretrained(result.folder)
    assert not torch.equal(start.lm_head.weight, trained.lm_head.weight)


def test_the_same_seed_gives_the_same_weights_and_another_one_does_not(model_folder, tmp_path):
    config = settings(model_folder(), rm_epochs=1, rm_batch_size=16)
    before = torch.random.get_rng_state()
    first = train_reward_model(config, PAIRS, tmp_path / "one")
    second = train_reward_model(config, PAIRS, tmp_path / "two")
    third = train_reward_model(config.replace(seed=4), PAIRS, tmp_path / "three")
    assert weights(first.folder) == weights(second.folder)
    assert weights(first.folder) != weights(third.folder)
    assert torch.equal(before, torch.random.get_rng_state())


def test_progress_counts_every_step_and_says_nothing_on_standard_output(
    model_folder, tmp_path, capsys
):
    calls = []
    train_reward_model(
        settings(model_folder(), rm_epochs=2, rm_batch_size=32),
        PAIRS,
        tmp_path / "rm",
        progress=lambda *call: calls.append(call),
    )
    assert [(stage, done, total) for stage, done, total, _ in calls] == [
        ("reward_model", step, 6) for step in range(1, 7)
    ]
    assert {"loss", "accuracy", "margin", "mean_reward"} <= calls[-1][3].keys()
    assert capsys.readouterr().out == ""


def test_a_stopped_stage_saves_what_it_has(model_folder, tmp_path):
    steps = []
    result = train_sft(
        settings(model_folder(), sft_epochs=50, sft_batch_size=32),
        PAIRS,
        tmp_path / "sft",
        progress=lambda _, done, *__: steps.append(done),
        should_stop=lambda: len(steps) >= 2,
    )
    assert result.stopped
    assert max(steps) <= 3
    assert AutoModelForCausalLM.from_pretrained(result.folder) is not None


@pytest.mark.parametrize(
    "train", [train_sft, train_dpo, train_reward_model], ids=lambda train: train.__name__
)
def test_low_rank_training_leaves_a_plain_folder_that_learned(model_folder, tmp_path, train):
    config = settings(
        model_folder(),
        lora_rank=2,
        sft_epochs=1,
        dpo_epochs=1,
        rm_epochs=1,
        sft_learning_rate=1e-2,
        dpo_learning_rate=1e-2,
        rm_learning_rate=1e-2,
    )
    result = train(config, PAIRS, tmp_path / "out")
    assert not (result.folder / "adapter_config.json").exists()
    assert weights(result.folder) != weights(model_folder())
    if train is train_reward_model:
        load_reward_model(result.folder)
    else:
        AutoModelForCausalLM.from_pretrained(result.folder)


def test_a_tokenizer_without_pad_token_pads_with_unknown_or_end(model_folder, tmp_path):
    folder = tmp_path / "start"
    AutoModelForCausalLM.from_pretrained(model_folder()).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    config = settings(folder, sft_epochs=1, rm_epochs=1, dpo_epochs=1)
    for train in (train_sft, train_reward_model, train_dpo):
        assert train(config, PAIRS, tmp_path / train.__name__).metrics["pairs"] == len(PAIRS)


def test_a_tokenizer_without_end_token_is_refused(model_folder, tmp_path):
    folder = tmp_path / "start"
    AutoModelForCausalLM.from_pretrained(model_folder()).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="EOS token, got none"):
        train_sft(settings(folder, sft_epochs=1), PAIRS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pairs_longer_than_the_context_are_left_out_and_counted(model_folder, tmp_path):
    long = Pair("a" * 200, " a", " b")
    config = settings(model_folder(), rm_epochs=1)
    result = train_reward_model(config, [long, *PAIRS[:8]], tmp_path / "rm")
    assert result.metrics["pairs"] == 8
    assert result.metrics["pairs_too_long"] == 1
    with pytest.raises(DataError, match="at most 128 tokens"):
        train_reward_model(config, [long], tmp_path / "none")


def test_an_unreadable_start_model_is_named(tmp_path, byte_tokenizer):
    byte_tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ModelError, match="expected a causal language model"):
        train_sft(settings(tmp_path, sft_epochs=1), PAIRS, tmp_path / "out")


@pytest.mark.parametrize(
    "train", [train_sft, train_dpo, train_reward_model], ids=lambda train: train.__name__
)
def test_a_batch_taken_in_parts_learns_the_same(model_folder, tmp_path, train):
    pairs = [Pair("a:" + " a" * i, " a" * (i % 5 + 1), " b") for i in range(32)]
    trained, steps = [], []
    for size in (16, 4):
        config = settings(
            model_folder(),
            sft_epochs=1,
            dpo_epochs=1,
            rm_epochs=1,
            micro_batch_size=size,
            sft_learning_rate=1e-3,
            dpo_learning_rate=1e-3,
            rm_learning_rate=1e-3,
        )
        told = []
        result = train(
            config,
            pairs,
            tmp_path / str(size),
            progress=lambda _, done, total, __, told=told: told.append((done, total)),
        )
        trained.append(load_file(result.folder / "model.safetensors"))
        steps.append(told)
    assert steps[0] == steps[1] == [(1, 2), (2, 2)]
    for name, weight in trained[0].items():
        torch.testing.assert_close(weight, trained[1][name], atol=2e-4, rtol=1e-3)


def test_prompts_over_the_limit_are_left_out_of_every_stage(model_folder, tmp_path):
    long = Pair("a" * 50, " a", " b")
    asked = {"sft_epochs": 1, "dpo_epochs": 1, "rm_epochs": 1, "max_prompt_length": 40}
    dropping = settings(model_folder(), **asked, long_prompts="drop")
    for train in (train_sft, train_dpo, train_reward_model):
        result = train(dropping, [long, *PAIRS[:8]], tmp_path / train.__name__)
        assert (result.metrics["pairs"], result.metrics["pairs_too_long"]) == (8, 1)
    with pytest.raises(DataError, match=r"40 tokens of prompt \(max_prompt_length\), got 1 pairs"):
        train_sft(dropping, [long], tmp_path / "none")


@pytest.mark.parametrize(
    "train", [train_sft, train_dpo, train_reward_model], ids=lambda train: train.__name__
)
def test_every_stage_asks_before_each_part_of_a_step_whether_to_stop(model_folder, tmp_path, train):
    asked = []
    config = settings(model_folder(), sft_epochs=50, micro_batch_size=2)
    result = train(
        config,
        PAIRS,
        tmp_path / "out",
        heldout=HELDOUT,
        should_stop=lambda: asked.append(1) or len(asked) > 5,
    )
    assert result.stopped
    assert len(asked) == 6


@pytest.mark.parametrize(
    "train", [train_sft, train_dpo, train_reward_model], ids=lambda train: train.__name__
)
def test_long_answers_are_cut_or_left_out_as_the_setting_says_and_counted(
    model_folder, tmp_path, train
):
    pairs = [Pair("a:", " a" * 20, " b"), *PAIRS[:8]]
    asked = {"sft_epochs": 1, "max_response_length": 8}
    cut = train(settings(model_folder(), **asked), pairs, tmp_path / "cut").metrics
    assert (cut["pairs"], cut["pairs_too_long"], cut["answers_cut"]) == (9, 0, 1)
    dropping = settings(model_folder(), **asked, long_responses="drop")
    left = train(dropping, pairs, tmp_path / "left").metrics
    assert (left["pairs"], left["pairs_too_long"]) == (8, 1)
    assert "answers_cut" not in left
    with pytest.raises(DataError, match=r"8 tokens of answer \(max_response_length\)"):
        train(dropping, pairs[:1], tmp_path / "none")


def test_a_micro_batch_holds_no_more_tokens_than_that_of_an_update():
    config = settings("p", micro_batch_size=8, max_prompt_length=16, response_length=4)
    lengths = [random.Random(0).choice([3, 9, 40, 100]) for _ in range(50)]
    batch = [Example((([0] * length, 1), ([0] * 2, 1))) for length in lengths]
    found = list(fit.parts(batch, config))
    assert sorted(id(one) for part in found for one in part) == sorted(map(id, batch))
    for part in found:
        area = 2 * len(part) * max(one.longest for one in part)
        assert len(part) <= 4
        assert area <= 8 * 20 or len(part) == 1


@pytest.mark.parametrize("lm_weight", [0.0, 0.5])
def test_below_adapters_a_stage_computes_and_keeps_its_base_in_the_run_s_format(
    model_folder, tmp_path, lm_weight
):
    seen, kept = set(), set()

    def note(module, _, output):
        if isinstance(module, torch.nn.Linear) and module.out_features > 2:
            seen.add(output.dtype)
            kept.add((module.weight.dtype, module.weight.requires_grad))

    hook = torch.nn.modules.module.register_module_forward_hook(note)
    try:
        asked = {"rm_epochs": 1, "rm_lm_weight": lm_weight, "lora_rank": 2, "dtype": "bfloat16"}
        train_reward_model(settings(model_folder(), **asked), PAIRS[:16], tmp_path / "rm")
    finally:
        hook.remove()
    assert torch.bfloat16 in seen
    assert kept >= {(torch.bfloat16, False), (torch.float32, True)}
    assert (torch.bfloat16, True) not in kept
