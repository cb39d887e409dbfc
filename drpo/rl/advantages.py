"""Credit: how much better each chosen token was than the critic expected."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drpo.rl.rewards import last_acted


def gae(
    rewards: Float[Tensor, "batch time"],
    values: Float[Tensor, "batch time"],
    acted: Bool[Tensor, "batch time"],
    *,
    gamma: float,
    lam: float,
) -> tuple[Float[Tensor, "batch time"], Float[Tensor, "batch time"]]:
    """Estimate how much better each chosen token was than the critic expected.

    Only tokens the policy chose carry credit: where `acted` is False (reset prefix, padding) both
    results are 0. The answer ends after its last chosen token, finished or cut: what would have
    come next is worth 0, as in the authors' code.

    Args:
        rewards: Reward after each token, in reward-model score units.
        values: The critic's estimate before each token, same units.
        acted: True where the policy chose the token; one unbroken run per row.
        gamma: Discount per token, in [0, 1].
        lam: Trace decay in [0, 1]; 0 is the one-step error, 1 the full return.

    Returns:
        Advantages and critic targets, score units, not whitened.

    Raises:
        ShapeError: A row holds no acted token.

    Source: Schulman et al. 2016, arXiv:1506.02438, section 3.
    """
    last_acted(acted)  # raises for a row without a chosen token
    rewards = torch.where(acted, rewards, 0.0)
    values = torch.where(acted, values, 0.0)
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[:, 0])
    next_value = torch.zeros_like(running)
    for t in reversed(range(rewards.shape[1])):
        error = rewards[:, t] + gamma * next_value - values[:, t]
        running = torch.where(acted[:, t], error + gamma * lam * running, 0.0)
        next_value = values[:, t]
        advantages[:, t] = running
    return advantages, torch.where(acted, advantages + values, 0.0)


def explained_variance(
    values: Float[Tensor, "batch time"],
    returns: Float[Tensor, "batch time"],
    acted: Bool[Tensor, "batch time"],
) -> float:
    """Return the share of the returns' variance that the critic foresaw; 1 perfect, 0 useless."""
    if int(acted.sum()) < 2:
        return float("nan")
    spread = returns[acted].var()
    if float(spread) == 0.0:
        return float("nan")
    return float(1 - (returns[acted] - values[acted]).var() / spread)
