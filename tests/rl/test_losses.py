"""PPO's losses, against hand-worked numbers and a naive second implementation."""

import math

import pytest
import torch

from drpo.rl.losses import policy_loss, value_loss

NAN = math.nan


def test_policy_loss_hand_worked():
    # ratio 1.5, gain 2: clipped at 1.2 -> -2.4.  ratio .5, gain 1: not clipped, -0.5.
    # ratio .5, gain -1: the pessimist takes .8 -> 0.8.  Last place masked.
    old = torch.zeros(1, 4)
    new = torch.tensor([[1.5, 0.5, 0.5, 7.0]]).log()
    gains = torch.tensor([[2.0, 1.0, -1.0, 5.0]])
    acted = torch.tensor([[True, True, True, False]])
    loss, sums = policy_loss(new, old, gains, acted, cliprange=0.2)
    assert float(loss) == pytest.approx(-2.4 - 0.5 + 0.8)
    assert float(sums["clipped"]) == 2
    assert float(sums["ratio_excess"]) == pytest.approx(0.5 - 0.5 - 0.5)
    expected_kl = 0.5 * (math.log(1.5) ** 2 + 2 * math.log(0.5) ** 2)
    assert float(sums["approxkl"]) == pytest.approx(expected_kl)


def test_value_loss_hand_worked():
    # old 0, moved to 1, held at .2; target 2: (2-.2)^2 = 3.24 beats 1.
    # old 1, moved to 1.1; target 1: .01.  Masked place ignored.
    values = torch.tensor([[1.0, 1.1, NAN]])
    old = torch.tensor([[0.0, 1.0, NAN]])
    returns = torch.tensor([[2.0, 1.0, NAN]])
    acted = torch.tensor([[True, True, False]])
    loss, sums = value_loss(values, old, returns, acted, cliprange_value=0.2)
    assert float(loss) == pytest.approx(0.5 * (3.24 + 0.01), rel=1e-5)
    assert float(sums["clipped"]) == 1


def test_losses_agree_with_a_loop_over_tokens(generator):
    def noise() -> torch.Tensor:
        return torch.randn(5, 6, generator=generator, dtype=torch.float64)

    new, old, gains, values, old_values, returns = (noise() for _ in range(6))
    acted = torch.rand(5, 6, generator=generator) < 0.6
    policy = value = 0.0
    for i, j in acted.nonzero().tolist():
        ratio = math.exp(float(new[i, j] - old[i, j]))
        gain, v, o, r = (float(x[i, j]) for x in (gains, values, old_values, returns))
        policy += -min(ratio * gain, min(max(ratio, 0.8), 1.2) * gain)
        near = o + min(max(v - o, -0.3), 0.3)
        value += 0.5 * max((v - r) ** 2, (near - r) ** 2)
    assert float(policy_loss(new, old, gains, acted, cliprange=0.2)[0]) == pytest.approx(policy)
    ours = value_loss(values, old_values, returns, acted, cliprange_value=0.3)[0]
    assert float(ours) == pytest.approx(value)


@pytest.mark.parametrize("junk", [0.0, 1e30, NAN, math.inf])
def test_masked_tokens_get_exactly_zero_gradient(junk):
    acted = torch.tensor([[True, False, True, False]])
    fill = torch.where(acted, 0.3, junk)
    new = fill.clone().requires_grad_()
    policy_loss(new, fill, fill, acted, cliprange=0.2)[0].backward()
    values = fill.clone().requires_grad_()
    value_loss(values, fill, fill + 1, acted, cliprange_value=0.2)[0].backward()
    for gradient in (new.grad, values.grad):
        assert gradient is not None
        assert gradient[~acted].tolist() == [0.0, 0.0]
        assert torch.isfinite(gradient).all()
        assert (gradient[acted] != 0).all()
