"""A policy in fewer digits: what training changed stays, on average over the weights."""

import torch

from drpo.modeling.exporting import rounded_at_random


def drawn():
    return torch.Generator().manual_seed(0)


def test_what_bfloat16_holds_stays_as_it_is():
    start = torch.randn(5000, generator=drawn()).to(torch.bfloat16).float()
    assert torch.equal(rounded_at_random(start, drawn()), start)
    odd = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan])
    torch.testing.assert_close(rounded_at_random(odd, drawn()), odd, equal_nan=True)


def test_a_step_too_small_for_one_weight_is_kept_on_average():
    start = torch.ones(200_000)
    trained = start + 1e-4 * torch.sign(torch.randn(len(start), generator=drawn()) + 5)
    nearest = trained.to(torch.bfloat16).float()
    assert torch.equal(nearest, start), "rounding to the nearest takes it all back"
    rounded = rounded_at_random(trained, drawn())
    assert torch.equal(rounded, rounded.to(torch.bfloat16).float())
    step = 2.0**-7  # of bfloat16 at 1
    error = step * (0.0128 * 0.9872 / len(start)) ** 0.5
    assert abs(float(rounded.double().mean() - trained.double().mean())) < 4 * error
    assert float((rounded - trained).abs().max()) <= step


def test_negative_weights_are_rounded_likewise():
    trained = torch.full((200_000,), -3.001)
    mean = float(rounded_at_random(trained, drawn()).double().mean())
    assert abs(mean + 3.001) < 4 * 2.0**-6 * 0.3 / 200_000**0.5
