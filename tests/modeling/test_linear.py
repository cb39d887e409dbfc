"""A linear layer says the same whichever library multiplies."""

import pytest
import torch
from torch import nn

from drpo.modeling import linear
from drpo.modeling.linear import WideLinear, widen

GENERATOR = torch.Generator().manual_seed(0)
WIDE = pytest.mark.skipif(not linear.WIDER, reason="this processor has no wider vectors")


def drawn(*shape):
    return torch.randn(*shape, generator=GENERATOR)


def of(kind, weight, bias):
    layer = kind(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weight.clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.clone())
    return layer


@WIDE
@pytest.mark.parametrize("shape", [(300, 96), (5, 80, 96)])
@pytest.mark.parametrize("biased", [False, True])
def test_outputs_and_gradients_are_those_of_the_plain_layer(shape, biased):
    read, weight, bias = drawn(*shape), drawn(64, 96), drawn(64) if biased else None
    assert read.numel() * 64 >= linear.WORTHWHILE
    pull = drawn(*shape[:-1], 64)
    found = []
    for kind in (nn.Linear, WideLinear):
        layer, leaf = of(kind, weight, bias), read.clone().requires_grad_()
        written = layer(leaf)
        written.backward(pull)
        found.append([written, leaf.grad, *(p.grad for p in layer.parameters())])
    for plain, wide in zip(*found, strict=True):
        torch.testing.assert_close(wide, plain, rtol=1e-5, atol=1e-4)


@WIDE
def test_what_is_frozen_gets_no_gradient():
    layer = of(WideLinear, drawn(64, 96), drawn(64)).requires_grad_(False)
    leaf = drawn(300, 96).requires_grad_()
    layer(leaf).sum().backward()
    assert leaf.grad is not None
    assert layer.weight.grad is None
    torch.testing.assert_close(leaf.grad, layer.weight.sum(0).expand(300, 96), rtol=1e-5, atol=1e-4)


@WIDE
def test_half_precision_keeps_its_own_way():
    layer = of(WideLinear, drawn(64, 96), None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(drawn(300, 96)).dtype == torch.bfloat16


@WIDE
def test_a_models_layers_are_widened_and_its_state_is_not():
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    widen(model)
    assert [type(part) for part in model] == [WideLinear, nn.LayerNorm, WideLinear]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
