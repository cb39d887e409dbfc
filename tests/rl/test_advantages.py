"""Credit, against hand-worked numbers and a naive second implementation."""

import math

import pytest
import torch

from drpo.errors import ShapeError
from drpo.rl.advantages import explained_variance, gae


def naive_gae(rewards, values, gamma, lam):
    """The definition: a discounted sum of one-step errors, one row, nothing masked."""
    steps = len(rewards)
    errors = [
        rewards[t] + gamma * (values[t + 1] if t + 1 < steps else 0.0) - values[t]
        for t in range(steps)
    ]
    return [
        sum((gamma * lam) ** (j - t) * errors[j] for j in range(t, steps)) for t in range(steps)
    ]


def test_hand_worked_numbers():
    # errors: 0 + .5*2 - 1 = 0;  1 + .5*3 - 2 = .5;  4 + 0 - 3 = 1
    # with gamma*lam = .5*.5: 1; .5 + .25*1 = .75; 0 + .25*.75 = .1875
    acted = torch.ones(1, 3, dtype=torch.bool)
    advantages, returns = gae(
        torch.tensor([[0.0, 1.0, 4.0]]),
        torch.tensor([[1.0, 2.0, 3.0]]),
        acted,
        gamma=0.5,
        lam=0.5,
    )
    assert advantages.tolist() == [[0.1875, 0.75, 1.0]]
    assert returns.tolist() == [[1.1875, 2.75, 4.0]]


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 1.0), (0.97, 0.0), (1.0, 1.0)])
def test_a_naive_second_implementation_agrees(generator, gamma, lam):
    lengths = [1, 4, 7, 3]
    acted = torch.arange(7) < torch.tensor(lengths)[:, None]
    rewards = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    values = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    advantages, returns = gae(rewards, values, acted, gamma=gamma, lam=lam)
    for row, length in enumerate(lengths):
        expected = naive_gae(
            rewards[row, :length].tolist(), values[row, :length].tolist(), gamma, lam
        )
        assert advantages[row, :length].tolist() == pytest.approx(expected)
        expected_returns = [a + v for a, v in zip(expected, values[row].tolist(), strict=False)]
        assert returns[row, :length].tolist() == pytest.approx(expected_returns)


def test_lambda_one_gives_the_whole_return():
    acted = torch.ones(1, 4, dtype=torch.bool)
    rewards, values = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.randn(1, 4)
    _, returns = gae(rewards, values, acted, gamma=1.0, lam=1.0)
    torch.testing.assert_close(returns, torch.tensor([[10.0, 9.0, 7.0, 4.0]]))


def test_masked_places_carry_no_credit_and_change_nobody_s():
    acted = torch.tensor([[False, True, True, False]])
    rewards = torch.tensor([[math.nan, 1.0, 2.0, math.nan]])
    values = torch.tensor([[math.nan, 0.5, 0.25, math.nan]])
    advantages, returns = gae(rewards, values, acted, gamma=1.0, lam=0.9)
    inner = torch.ones(1, 2, dtype=torch.bool)
    alone, _ = gae(rewards[:, 1:3], values[:, 1:3], inner, gamma=1.0, lam=0.9)
    assert advantages.tolist() == [[0.0, *alone[0].tolist(), 0.0]]
    assert returns[0, 0] == returns[0, 3] == 0


def test_a_row_without_a_chosen_token_is_refused():
    with pytest.raises(ShapeError):
        gae(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2).bool(), gamma=1.0, lam=1.0)


def test_explained_variance_is_one_for_a_seer_and_zero_for_a_constant():
    acted = torch.tensor([[True, True, True, False]])
    returns = torch.tensor([[1.0, 2.0, 3.0, 99.0]])
    assert explained_variance(returns, returns, acted) == 1.0
    assert explained_variance(torch.full((1, 4), 5.0), returns, acted) == 0.0


def test_explained_variance_of_equal_returns_is_unknown():
    acted, returns = torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 3)
    assert math.isnan(explained_variance(returns, returns, acted))
