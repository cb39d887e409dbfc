"""Rotary positions computed lightly are those of transformers."""

import inspect
import sys

import pytest
import torch
from conftest import tiny_model

from drpo.modeling import rotation


def plain_of(name):
    """A family's own function, whether or not this process has replaced it."""
    __import__(name)
    found = sys.modules[name].apply_rotary_pos_emb
    return getattr(found, "plain", found)


def test_queries_keys_and_gradients_are_those_of_transformers(generator, monkeypatch):
    monkeypatch.setattr(rotation, "WORTHWHILE", 0)
    plain = plain_of(rotation.FAMILIES[0])
    angles = torch.rand(1, 5, 4, generator=generator).repeat(1, 1, 2) * 6
    cos, sin = angles.cos(), angles.sin() * 1.1  # some rotations are scaled, so not orthogonal
    heads = torch.randn(2, 5, 6, 8, generator=generator).transpose(1, 2)
    found = []
    for rotate in (plain, rotation._light(plain)):
        q, k = heads[:, :4].clone().requires_grad_(), heads[:, 4:].clone().requires_grad_()
        turned = rotate(q, k, cos, sin)
        gradients = torch.autograd.grad(sum((one**3).sum() for one in turned), (q, k))
        found.append((*turned, *gradients))
    for expected, one in zip(*found, strict=True):
        torch.testing.assert_close(one, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", rotation.FAMILIES)
def test_all_families_rotate_by_the_same_text(name):
    first = plain_of(rotation.FAMILIES[0])
    assert inspect.getsource(plain_of(name)) == inspect.getsource(first)


def test_small_queries_take_the_plain_way_bit_for_bit(monkeypatch):
    model, tokens = tiny_model("llama"), torch.arange(2, 20).reshape(2, 9)
    module = sys.modules[type(model).__module__]
    monkeypatch.setattr(module, "apply_rotary_pos_emb", plain_of(module.__name__))
    before = model(input_ids=tokens).logits
    rotation.rotate_lightly(model)
    assert hasattr(module.apply_rotary_pos_emb, "plain")
    assert torch.equal(model(input_ids=tokens).logits, before)
