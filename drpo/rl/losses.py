"""PPO's two losses, as sums over chosen tokens.

Sums, not means: the caller divides by the token count of the whole minibatch, so the gradient does
not depend on how the minibatch is split to fit into memory. Rows here hold 1 to `response_length`
chosen tokens, so a mean per micro-batch would give tokens unequal weights.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def policy_loss(
    log_probs: Float[Tensor, "batch time"],
    old_log_probs: Float[Tensor, "batch time"],
    advantages: Float[Tensor, "batch time"],
    acted: Bool[Tensor, "batch time"],
    *,
    cliprange: float,
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """Return PPO's clipped surrogate, negated and summed over chosen tokens.

    Args:
        log_probs: Under the policy being trained, nats.
        old_log_probs: Under the policy that acted, nats.
        advantages: Credit of each token.
        acted: True where the policy chose the token; all others have exactly zero gradient.
        cliprange: The ratio may gain until it leaves [1 - cliprange, 1 + cliprange].

    Returns:
        The loss sum, and sums for the metrics: approxkl, clipped, ratio_excess (ratio - 1) and
        ratio_excess_squared.

    Source: Schulman et al. 2017, arXiv:1707.06347, equation 7.
    """
    log_ratio = torch.where(acted, log_probs - old_log_probs, 0.0)
    ratio = log_ratio.exp()
    gain = torch.where(acted, advantages, 0.0)
    plain = -gain * ratio
    clipped = -gain * ratio.clamp(1 - cliprange, 1 + cliprange)
    loss = torch.where(acted, torch.maximum(plain, clipped), 0.0).sum()
    with torch.no_grad():
        sums = {
            # k2 estimate, as TRL logs it.
            "approxkl": 0.5 * (log_ratio**2).sum(),
            "clipped": ((clipped > plain) & acted).sum().float(),
            # Summed as departures from 1, so that an unmoved policy gives exactly 1 and 0.
            "ratio_excess": torch.where(acted, ratio - 1, 0.0).sum(),
            "ratio_excess_squared": torch.where(acted, (ratio - 1) ** 2, 0.0).sum(),
        }
    return loss, sums


def value_loss(
    values: Float[Tensor, "batch time"],
    old_values: Float[Tensor, "batch time"],
    returns: Float[Tensor, "batch time"],
    acted: Bool[Tensor, "batch time"],
    *,
    cliprange_value: float,
    spread: float = 1.0,
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """Return half the squared error of the critic, its move clipped, summed over chosen tokens.

    Errors and moves count in spreads of the returns, so that neither the clip nor the size of the
    gradient depends on the units of the reward model.

    Args:
        values: The critic being trained, score units.
        old_values: The critic when the episodes were drawn.
        returns: Its targets.
        acted: True where the policy chose the token; all others have exactly zero gradient.
        cliprange_value: How far a value may move from the old one before the move stops paying,
            in spreads.
        spread: Standard deviation of the returns, score units.

    Returns:
        The loss sum, and the sum `clipped` for the metrics.

    Source: the PPO code of Schulman et al. (not in the paper), kept by TRL and the authors.
    """
    values = torch.where(acted, values, 0.0) / spread
    old = torch.where(acted, old_values, 0.0) / spread
    target = torch.where(acted, returns, 0.0) / spread
    near = old + (values - old).clamp(-cliprange_value, cliprange_value)
    plain, held = (values - target) ** 2, (near - target) ** 2
    loss = 0.5 * torch.where(acted, torch.maximum(plain, held), 0.0).sum()
    with torch.no_grad():
        sums = {"clipped": ((held > plain) & acted).sum().float()}
    return loss, sums
