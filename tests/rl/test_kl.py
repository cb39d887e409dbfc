"""KL estimators, against the exact figure."""

import math

import pytest
import torch

from drpo.rl.kl import exact_kl, k1_per_token, k3_per_token

ESTIMATORS = (k1_per_token, k3_per_token)


def test_hand_worked():
    policy, start = torch.tensor([[math.log(0.5)]]), torch.tensor([[math.log(0.25)]])
    acted = torch.tensor([[True]])
    k1, k3 = (of(policy, start, acted) for of in ESTIMATORS)
    assert float(k1) == pytest.approx(math.log(2))
    assert float(k3) == pytest.approx(0.5 - 1 + math.log(2))  # start / policy = 1/2


def test_both_estimators_average_to_the_exact_kl(generator):
    logits = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    p, q = logits.softmax(-1)
    exact = float((p * (p / q).log()).sum())
    drawn = torch.multinomial(p, 40_000, replacement=True, generator=generator)[None]
    acted = torch.ones_like(drawn, dtype=torch.bool)
    for estimate in ESTIMATORS:
        kl = estimate(p.log()[drawn], q.log()[drawn], acted)
        assert abs(float(kl.mean()) - exact) < 4 * float(kl.std()) / 200
    assert float(kl.min()) >= 0  # k3 comes last


def test_masked_places_are_zero_whatever_stands_there():
    logs = torch.tensor([[-1.0, math.nan, -math.inf]])
    acted = torch.tensor([[True, False, False]])
    for estimate in ESTIMATORS:
        kl = estimate(logs, torch.tensor([[-2.0, 0.0, 0.0]]), acted)
        assert kl[0, 1:].tolist() == [0.0, 0.0]
        assert float(kl[0, 0]) > 0


def test_the_exact_kl_is_the_sum_over_the_vocabulary(generator):
    logits = torch.randn(2, 3, 5, generator=generator)
    p, q = logits.softmax(-1)
    torch.testing.assert_close(exact_kl(*logits), (p * (p / q).log()).sum(-1))
    assert exact_kl(logits[0], logits[0]).abs().max() == 0


def test_the_exact_kl_allows_tokens_that_cannot_be_drawn():
    barred = torch.tensor([[0.0, 0.0, -math.inf]])
    assert torch.isfinite(exact_kl(barred, torch.zeros(1, 3))).all()
