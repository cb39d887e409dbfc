"""The last layer at the places that are read gives what the whole of it would."""

import pytest
import torch
from conftest import tiny_model
from transformers import AutoConfig, AutoModelForCausalLM

from drpo.modeling import last_layer
from drpo.modeling.dropout import settle
from drpo.modeling.forward_pass import call_backbone_at

KINDS = ["llama", "mistral", "qwen2", "qwen3", "gpt_neox"]


def backbone(kind):
    """The body of a small random model of a family, ready to learn."""
    shape = {
        "vocab_size": 260,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
    }
    if kind != "gpt_neox":
        shape |= {"num_key_value_heads": 1, "head_dim": 8}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shape)).base_model
    settle(model, checkpointing=False)
    return model


@pytest.fixture(autouse=True)
def always(monkeypatch):
    monkeypatch.setattr(last_layer, "WORTHWHILE", 1)


@pytest.mark.parametrize("kind", KINDS)
def test_places_and_their_gradients_are_those_of_the_whole_layer(kind, generator):
    model = backbone(kind)
    tokens = torch.randint(2, 258, (3, 9), generator=generator)
    at = torch.tensor([3, 4, 8, 14, 26])
    whole = model(input_ids=tokens, use_cache=False).last_hidden_state.flatten(0, 1)[at]
    weights = list(model.parameters())
    expected = torch.autograd.grad((whole**3).sum(), weights)
    read = []
    hook = model.layers[-1].mlp.register_forward_hook(lambda _m, given, _o: read.append(given[0]))
    found = call_backbone_at(model, tokens, at)
    hook.remove()
    assert read[0].shape == (1, 5, 16)
    torch.testing.assert_close(found, whole, atol=1e-6, rtol=1e-5)
    for one, other in zip(torch.autograd.grad((found**3).sum(), weights), expected, strict=True):
        scale = float(other.abs().max())
        torch.testing.assert_close(one, other, atol=1e-5 * scale, rtol=1e-4)


def test_the_model_is_as_it_was_afterwards():
    model, tokens = backbone("llama"), torch.arange(2, 20).reshape(2, 9)
    before = model(input_ids=tokens).last_hidden_state
    call_backbone_at(model, tokens, torch.tensor([3]))
    assert torch.equal(model(input_ids=tokens).last_hidden_state, before)
    assert "forward" not in vars(model.layers[-1]) | vars(model.layers[-1].self_attn)
    assert not model.layers[-1].self_attn.o_proj._forward_pre_hooks


def test_layers_that_are_recomputed_or_unknown_run_whole():
    model = backbone("llama")
    settle(model, checkpointing=True)
    model.train()
    tokens = torch.arange(2, 20).reshape(2, 9)
    for body in (model, tiny_model("gpt2").base_model):
        with last_layer.read_only_at(body, tokens.numel(), torch.tensor([3])) as chosen:
            assert not chosen
