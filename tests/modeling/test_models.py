"""Loading: what is refused, what is frozen, and what the start policy is."""

import json
import shutil

import pytest
import torch
from conftest import tiny_model
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from tokenizers import processors
from toy import RecordingObserver, toy_config, toy_pairs, tuned_adapter
from transformers import AutoTokenizer, FalconConfig, FalconForCausalLM, OPTConfig, OPTForCausalLM

from drpo.data.gold_reward import GoldScorer
from drpo.data.pairs import Pair
from drpo.errors import ConfigError, DataError, ModelError
from drpo.evaluation.baselines import accuracy_of
from drpo.modeling.model_loading import load_causal
from drpo.modeling.models import load_models, load_to_evaluate
from drpo.rl import checkpoint, checkpoint_folders
from drpo.rl.micro_batches import micro_batch
from drpo.rl.rollout import pack
from drpo.rl.sampling import Sampling
from drpo.rl.scoring import action_logits
from drpo.rl.trainer import train
from drpo.stages import train_sft

GOLD = GoldScorer({"colour": ("red", "blue", "green", "black")}, strict=False)


def some_logits(model, precision):
    sampling = Sampling(length=9, temperature=1.0, stops=(1,), pad=0, batch_size=8)
    rollout = pack([[40, 41, 42], [50]], [[60, 61], [62, 63, 64]], sampling)
    with torch.no_grad():
        return action_logits(model, micro_batch(rollout, [0, 1]), precision)


def start_logits(models):
    with models.start_policy() as start:
        return some_logits(start, models.precision)


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def change_json(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("rank", [0, 4])
def test_policy_and_start_policy_agree_exactly_before_training(rank, model_folder, reward_folder):
    models = load_models(toy_config(model_folder(), reward_folder, lora_rank=rank))
    assert torch.equal(some_logits(models.policy, models.precision), start_logits(models))
    assert torch.equal(
        start_logits(models), some_logits(load_causal(model_folder()), models.precision)
    )


def test_the_start_policy_does_not_move_with_training(model_folder, reward_folder, tmp_path):
    for rank in (0, 4):
        config = toy_config(
            model_folder(), reward_folder, lora_rank=rank, updates=1, learning_rate=1e-2
        )
        models = load_models(config)
        before = start_logits(models)
        folder = tmp_path / str(rank)
        train(
            models,
            toy_pairs(8),
            toy_pairs(3, 90),
            config,
            RecordingObserver(),
            checkpoint_dir=folder,
        )
        assert torch.equal(start_logits(models), before)
        assert not torch.equal(some_logits(models.policy, models.precision), before)


def test_with_lora_the_start_policy_is_the_tuned_one_not_its_base(
    model_folder, reward_folder, tmp_path
):
    tuned = tuned_adapter(tmp_path / "tuned", model_folder())
    models = load_models(toy_config(tuned, reward_folder, lora_rank=4))
    base = load_causal(model_folder())
    whole = PeftModel.from_pretrained(tiny_model("llama"), str(tuned)).eval()
    expected = some_logits(whole, models.precision)
    torch.testing.assert_close(start_logits(models), expected, atol=1e-4, rtol=1e-4)
    apart = start_logits(models) - some_logits(base, models.precision)
    assert float(apart.abs().max()) > 0.01


def test_without_lora_every_weight_of_a_tuned_policy_is_trained(
    model_folder, reward_folder, tmp_path
):
    plain = load_models(toy_config(model_folder(), reward_folder))
    tuned = tuned_adapter(tmp_path / "tuned", model_folder())
    models = load_models(toy_config(tuned, reward_folder))
    assert models.trained().keys() == plain.trained().keys()
    assert any(name.startswith("policy.") for name in models.trained())


def test_a_policy_tuned_on_a_tuned_one_is_exported_whole(model_folder, reward_folder, tmp_path):
    tuned = tuned_adapter(tmp_path / "tuned", model_folder())
    config = toy_config(tuned, reward_folder, lora_rank=4, updates=1, learning_rate=1e-2)
    models = load_models(config)
    run = tmp_path / "run"
    train(
        models,
        toy_pairs(8),
        toy_pairs(3, 90),
        config,
        RecordingObserver(),
        checkpoint_dir=run / "checkpoints",
    )
    exported = load_causal(checkpoint.export(run, tmp_path / "out", config))
    ours = some_logits(models.policy, models.precision)
    torch.testing.assert_close(some_logits(exported, models.precision), ours, atol=1e-4, rtol=1e-4)
    assert float((ours - start_logits(models)).abs().max()) > 1e-3


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neox"])
def test_with_lora_adapters_and_the_critic_head_are_trained_and_saved(
    kind, model_folder, reward_folder, tmp_path
):
    config = toy_config(model_folder(kind), reward_folder, lora_rank=4, updates=1)
    models = load_models(config)
    before = {name: weight.detach().clone() for name, weight in models.trained().items()}
    assert {name.split(".")[-1] for name in before if name.startswith("critic.head")} == {
        "weight",
        "bias",
    }
    assert all("lora_" in name or name.startswith("critic.head") for name in before)
    train(
        models, toy_pairs(8), toy_pairs(3, 90), config, RecordingObserver(), checkpoint_dir=tmp_path
    )
    saved = load_file(checkpoint_folders.latest(tmp_path) / "critic.safetensors")
    for part in ("weight", "bias"):
        name = f"head.{part}"
        assert not torch.equal(saved[name], before[f"critic.{name}"])
        assert torch.equal(saved[name], models.trained()[f"critic.{name}"])


def test_lora_weights_are_drawn_from_the_run_s_seed(model_folder, reward_folder):
    def adapters(seed):
        models = load_models(toy_config(model_folder(), reward_folder, lora_rank=2, seed=seed))
        return torch.cat([w.flatten() for n, w in models.trained().items() if "lora_A" in n])

    torch.manual_seed(1)
    first = adapters(0)
    torch.manual_seed(2)
    assert torch.equal(adapters(0), first)
    assert not torch.equal(adapters(1), first)


def test_adapters_are_scaled_by_alpha_over_rank(model_folder, reward_folder):
    asked = toy_config(model_folder(), reward_folder, lora_rank=2, lora_alpha=12.0)
    layers = [m for m in load_models(asked).policy.modules() if isinstance(m, LoraLayer)]
    assert layers
    assert {scale for layer in layers for scale in layer.scaling.values()} == {6.0}


def test_the_critic_may_start_from_the_reward_model(model_folder, reward_folder):
    config = toy_config(model_folder(), reward_folder, critic_init="reward_model")
    critic = load_models(config).critic
    judge = load_file(reward_folder / "model.safetensors")
    assert torch.equal(critic.head.weight, judge["score.weight"])
    assert torch.equal(critic.backbone.norm.weight, judge["model.norm.weight"])


def test_a_fresh_critic_foresees_nothing(model_folder, reward_folder):
    head = load_models(toy_config(model_folder(), reward_folder)).critic.head
    assert not head.weight.any()
    assert not head.bias.any()


def test_dropout_is_off_while_learning(model_folder, reward_folder):
    models = load_models(toy_config(model_folder("gpt2"), reward_folder))
    assert json.loads((model_folder("gpt2") / "config.json").read_text())["resid_pdrop"] > 0
    quiet = some_logits(models.policy, models.precision)
    with models.learning():
        assert torch.equal(some_logits(models.policy, models.precision), quiet)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", ["opt", "falcon"])
def test_dropout_in_numbers_and_in_the_config_is_off_too(
    kind, checkpointing, byte_tokenizer, reward_folder, tmp_path
):
    common = {
        "vocab_size": 258,
        "hidden_size": 16,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "bos_token_id": None,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    if kind == "opt":
        wide = {"ffn_dim": 32, "word_embed_proj_dim": 16, "max_position_embeddings": 128}
        model = OPTForCausalLM(OPTConfig(**common, **wide, dropout=0.5))
    else:
        model = FalconForCausalLM(FalconConfig(**common, hidden_dropout=0.5))
    model.save_pretrained(tmp_path)
    byte_tokenizer.save_pretrained(tmp_path)
    config = toy_config(tmp_path, reward_folder, gradient_checkpointing=checkpointing)
    models = load_models(config)
    quiet = some_logits(models.policy, models.precision)
    with models.learning():
        assert torch.equal(some_logits(models.policy, models.precision), quiet)


def test_a_critic_is_not_made_of_a_reward_model_that_reads_other_tokens(
    model_folder, reward_folder, tmp_path
):
    folder = copied(reward_folder, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ConfigError, match="a tokenizer of its own"):
        load_models(toy_config(model_folder(), folder, critic_init="reward_model"))


def test_the_reward_model_never_reads_past_the_context(model_folder, reward_folder):
    """An answer that fills the context leaves no room for its prompt."""
    models = load_models(toy_config(model_folder("gpt2"), reward_folder))
    long = Pair("a prompt:", " x" * 100, " y" * 100)  # 200 tokens each, of 128
    seen = []

    class Counts:
        def score(self, answers):
            seen.extend(len(a.prompt_ids) + len(a.ids) for a in answers)
            return torch.zeros(len(answers))

    accuracy_of(Counts(), [long, Pair("a prompt:", " x", " y")], models)
    assert max(seen) == models.context == 128


def test_a_prompt_cut_to_the_context_keeps_the_token_that_texts_begin_with(
    model_folder, reward_folder, tmp_path
):
    folder = copied(model_folder("gpt2"), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<end> $A", special_tokens=[("<end>", 1)]
    )
    tokenizer.save_pretrained(folder)
    models = load_models(toy_config(folder, reward_folder))
    seen = []

    class Listens:
        def score(self, answers):
            seen.extend(answers)
            return torch.zeros(len(answers))

    accuracy_of(Listens(), [Pair("a prompt:" * 20, " x", " y")], models)
    assert [len(a.prompt_ids) + len(a.ids) for a in seen] == [128, 128]
    assert [a.prompt_ids[0] for a in seen] == [1, 1]


def test_recomputing_activations_changes_no_gradient(model_folder, reward_folder, tmp_path):
    weights = []
    for checkpointing in (False, True):
        config = toy_config(
            model_folder(), reward_folder, updates=1, gradient_checkpointing=checkpointing
        )
        models = load_models(config)
        folder = tmp_path / str(checkpointing)
        train(
            models,
            toy_pairs(8),
            toy_pairs(3, 90),
            config,
            RecordingObserver(),
            checkpoint_dir=folder,
        )
        weights.append(torch.cat([w.flatten() for w in models.trained().values()]))
    torch.testing.assert_close(weights[0], weights[1], atol=1e-6, rtol=1e-5)


def test_half_precision_keeps_trained_weights_whole(model_folder, reward_folder, tmp_path):
    config = toy_config(model_folder(), reward_folder, dtype="bfloat16", updates=1)
    models, listener = load_models(config), RecordingObserver()
    assert {w.dtype for w in models.trained().values()} == {torch.float32}
    train(models, toy_pairs(8), toy_pairs(3, 90), config, listener, checkpoint_dir=tmp_path)
    assert listener.metrics_at[0]["eval/kl"] == 0.0
    assert listener.metrics_at[1]["objective/kl"] == 0.0


def test_the_gold_score_can_be_the_reward(model_folder, reward_folder):
    config = toy_config(model_folder(), reward_folder, reward_source="gold")
    models = load_models(config, gold=GOLD)
    assert models.reward is models.gold
    assert models.learned is not None
    with pytest.raises(ConfigError, match="gold"):
        load_models(config)


def test_without_any_reward_the_sentence_says_so(model_folder):
    with pytest.raises(ConfigError, match="reward model"):
        load_models(toy_config(model_folder(), "unused", reward_model=None))


def test_a_missing_pad_token_is_no_obstacle(model_folder, reward_folder, tmp_path):
    folder = copied(model_folder(), tmp_path)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("pad_token")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    models = load_models(toy_config(folder, reward_folder))
    assert models.vocabulary.tokenizer.pad_token is None
    assert models.vocabulary.pad == models.vocabulary.end == 1
    original = load_causal(model_folder()).get_input_embeddings().weight
    assert torch.equal(models.policy.get_input_embeddings().weight, original)


def test_a_tokenizer_without_end_token_is_refused(model_folder, reward_folder, tmp_path):
    folder = copied(model_folder(), tmp_path)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("eos_token")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    for name in ("config.json", "generation_config.json"):
        change_json(folder / name, eos_token_id=None)
    with pytest.raises(ModelError, match="end-of-text"):
        load_models(toy_config(folder, reward_folder))


def test_a_folder_without_weights_is_refused_by_name(model_folder, reward_folder, tmp_path):
    folder = copied(model_folder(), tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=str(folder)):
        load_models(toy_config(folder, reward_folder))


def test_a_tokenizer_that_knows_more_than_the_model_is_refused(
    model_folder, reward_folder, tmp_path
):
    folder = copied(model_folder(), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<extra{i}>" for i in range(5)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="263 tokens but the model knows 258"):
        load_models(toy_config(folder, reward_folder))


def test_a_device_that_is_not_there_is_refused(model_folder, reward_folder):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ConfigError, match="no usable GPU"):
        load_models(toy_config(model_folder(), reward_folder, device="cuda"))


def test_a_prompt_longer_than_the_context_names_its_row(model_folder, reward_folder, tmp_path):
    pairs = toy_pairs(3)
    pairs[1] = type(pairs[1])("x" * 125, "a", "b", row=2)
    for settings in ({}, {"long_prompts": "drop"}):
        config = toy_config(
            model_folder(), reward_folder, max_prompt_length=512, updates=1, **settings
        )
        models = load_models(config)
        arguments = (models, pairs, toy_pairs(2, 90), config, RecordingObserver())
        if settings:
            assert train(*arguments, checkpoint_dir=tmp_path).step == 1
            continue
        with pytest.raises(DataError, match=r"row 2 is 125 tokens.*at most 120.*long_prompts"):
            train(*arguments, checkpoint_dir=tmp_path)


@pytest.mark.parametrize("rank", [0, 2])
def test_an_evaluation_loads_nothing_that_it_does_not_use(
    model_folder, reward_folder, tmp_path, rank
):
    config = toy_config(model_folder(), reward_folder, lora_rank=rank, sft_epochs=1.0)
    config = config.replace(sft_learning_rate=1e-2)
    tuned = train_sft(config, toy_pairs(32), tmp_path / "sft").folder
    models = load_to_evaluate(config, start=model_folder(), reward_model=reward_folder)
    assert models.critic is None
    assert models.frozen is None
    before = some_logits(models.policy, models.precision)
    with models.start_policy() as start:
        assert start is models.policy
    models.answer_as(tuned)
    # With adapters the trained policy and the start policy are one copy of what both have.
    assert (models.frozen is None) == bool(rank)
    assert torch.equal(start_logits(models), before)
    whole = some_logits(load_causal(tuned), models.precision)
    torch.testing.assert_close(some_logits(models.policy, models.precision), whole)
    assert not torch.allclose(whole, before, atol=1e-3)
