"""In half precision the head, the log-softmax and the weights that are trained stay float32."""

import pytest
import torch
from conftest import tiny_model
from toy import toy_config

from drpo.modeling.forward_pass import Precision, call_at, float32_head
from drpo.modeling.models import load_models

BF16 = Precision(torch.device("cpu"), torch.bfloat16)
IDS = torch.arange(2, 66).reshape(4, 16)
AT = torch.arange(64).reshape(4, 16)[:, :-1].flatten()


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
