"""In half precision the head, the log-softmax and the weights that are trained stay float32."""

import math
from pathlib import Path

import pytest
import torch
from conftest import tiny_model
from toy import RecordingObserver, toy_config, toy_pairs

from drpo.errors import ConfigError
from drpo.modeling.forward_pass import Precision, call_at, float32_head
from drpo.modeling.model_loading import load_causal
from drpo.modeling.models import load_models
from drpo.rl.micro_batches import MicroBatch
from drpo.rl.minibatches import add_gradients
from drpo.rl.scoring import action_log_probs
from drpo.rl.trainer import train

BF16 = Precision(torch.device("cpu"), torch.bfloat16)
IDS = torch.arange(2, 66).reshape(4, 16)
AT = torch.arange(64).reshape(4, 16)[:, :-1].flatten()
PART = MicroBatch(IDS, AT, IDS[:, 1:].flatten(), torch.ones(4, 15, dtype=torch.bool))
SAMPLE = Path(__file__).parents[2] / "sample_data" / "models" / "tldr-policy"


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gpt_neox"])
def test_the_heads_product_is_float32_whatever_the_pass_is_in(kind):
    model = tiny_model(kind)
    head = model.get_output_embeddings()
    seen = []
    handle = head.register_forward_hook(lambda _head, read, out: seen.append((read[0], out)))
    with torch.no_grad(), BF16.autocast():
        call_at(model, IDS, AT)
    handle.remove()
    [(hidden, logits)] = seen
    assert logits.dtype == torch.float32
    expected = torch.nn.functional.linear(hidden.float(), head.weight, head.bias)
    assert torch.equal(logits, expected)
    with torch.no_grad(), BF16.autocast():
        rounded = head(hidden).float()
    assert not torch.equal(rounded, expected), "outside of the calls the head is as it was"


def test_the_head_is_given_back_when_a_call_fails():
    model = tiny_model("llama")
    with pytest.raises(RuntimeError), BF16.autocast(), float32_head(model):
        raise RuntimeError
    assert "forward" not in vars(model.get_output_embeddings())


@pytest.mark.parametrize("rank", [0, 4])
def test_trained_weights_are_float32_masters(model_folder, reward_folder, rank):
    config = toy_config(model_folder(), reward_folder, dtype="bfloat16", lora_rank=rank)
    trained = load_models(config).trained()
    assert trained
    assert {weight.dtype for weight in trained.values()} == {torch.float32}


def log_ratios(model, dtype, step):
    """By how much one optimiser step moves each log-probability, where passes run in a format."""
    precision = Precision(torch.device("cpu"), dtype)
    with torch.no_grad():
        before = action_log_probs(model, PART, precision, 1.0)
        step(model)
        return action_log_probs(model, PART, precision, 1.0) - before


def one_step(size):
    def take(model):
        generator = torch.Generator().manual_seed(3)
        for weight in model.parameters():
            if weight.requires_grad:
                drawn = torch.randn(weight.shape, generator=generator)
                weight.data.add_(drawn.sign(), alpha=size)  # as Adam's first step

    return take


def adams_first_step(model):
    """Move every weight by 3e-6 along the sign of a gradient, as Adam's first step does."""
    advantages = torch.randn(60, generator=torch.Generator().manual_seed(3))
    with torch.enable_grad():
        logs = action_log_probs(model, PART, Precision(torch.device("cpu")), 1.0)
        (logs * advantages).sum().backward()
    for weight in model.parameters():
        weight.data.add_(weight.grad.sign(), alpha=3e-6)


def test_float16_sees_a_step_of_3e_6_and_bfloat16_does_not():
    true, half, brief = (
        log_ratios(load_causal(SAMPLE), dtype, adams_first_step)
        for dtype in (torch.float32, torch.float16, torch.bfloat16)
    )
    assert torch.corrcoef(torch.stack([true, half]))[0, 1] > 0.9
    assert torch.corrcoef(torch.stack([true, brief]))[0, 1] < 0.9


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gpt_neox"])
def test_what_adapters_add_is_not_rounded_away(kind, model_folder, reward_folder):
    config = toy_config(model_folder(kind), reward_folder, lora_rank=4)
    true, half = (
        log_ratios(load_models(config.replace(dtype=dtype)).policy, torch.float16, one_step(1e-4))
        for dtype in ("float32", "float16")
    )
    assert torch.corrcoef(torch.stack([true, half]))[0, 1] > 0.9
    policy = load_models(config.replace(dtype="bfloat16")).policy.get_base_model()
    with torch.no_grad(), BF16.autocast():
        assert policy.base_model(input_ids=IDS).last_hidden_state.dtype == torch.float32
        assert policy.get_input_embeddings().weight.dtype == torch.bfloat16


def test_only_float16_scales_its_losses():
    assert BF16.loss_scales(1000) == Precision(torch.device("cpu")).loss_scales(1000) == [1.0]
    scales = Precision(torch.device("cpu"), torch.float16).loss_scales(1000)
    assert scales[0] == 1024
    assert all(math.log2(scale).is_integer() for scale in scales)
    assert scales == sorted(scales, reverse=True)


def test_gradients_that_do_not_fit_are_taken_again_smaller():
    layer = torch.nn.Linear(3, 1, bias=False)
    read = torch.tensor([[1.0, 2.0, -3.0]])
    tried = []

    def add(scale):
        tried.append(scale)
        with torch.autocast("cpu", dtype=torch.float16):
            # 200 a token: 1,024 times that is beyond float16, a sixteenth of it is not.
            (layer(read).sum() * 200.0 * scale).backward()
        return {"tokens": 1.0}

    half = Precision(torch.device("cpu"), torch.float16)
    assert add_gradients(dict(layer.named_parameters()), half, 1000, add) == {"tokens": 1.0}
    assert tried == [1024.0, 64.0]
    assert torch.allclose(layer.weight.grad, 200 * read, rtol=1e-3)


@pytest.mark.parametrize("rank", [0, 4])
def test_a_float16_run_goes_the_way_of_a_float32_run(model_folder, reward_folder, tmp_path, rank):
    moved = {}
    for dtype in ("float32", "float16"):
        # One pass: later ones would go on from slightly different weights.
        config = toy_config(
            model_folder(), reward_folder, dtype=dtype, lora_rank=rank, updates=1, num_ppo_epochs=1
        )
        models, listener = load_models(config), RecordingObserver()
        before = [weight.detach().clone() for weight in models.trained().values()]
        train(models, toy_pairs(8), toy_pairs(3, 90), config, listener, checkpoint_dir=tmp_path)
        after = models.trained().values()
        moved[dtype] = torch.cat([(b - a).flatten() for a, b in zip(before, after, strict=True)])
        assert listener.metrics_at[1]["objective/kl"] == 0.0
    assert torch.nn.functional.cosine_similarity(*moved.values(), dim=0) > 0.95


def test_activations_beyond_float16_are_named(model_folder, reward_folder, tmp_path):
    config = toy_config(model_folder(), reward_folder, dtype="float16", updates=1)
    models = load_models(config)
    models.policy.model.layers[0].mlp.down_proj.weight.data.mul_(1e6)
    with pytest.raises(ConfigError, match=r"float16 has no room.*bfloat16"):
        train(
            models,
            toy_pairs(8),
            toy_pairs(3, 90),
            config,
            RecordingObserver(),
            checkpoint_dir=tmp_path,
        )
