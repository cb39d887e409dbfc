"""Credit: how much better each chosen token was than the critic expected."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drpo.errors import ShapeError
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


def leave_one_out(totals: Float[Tensor, " batch"], group_size: int) -> Float[Tensor, " batch"]:
    """Return how much better each episode did than the others of its group.

    The baseline of an episode is the mean of the other continuations of the same start. It does not
    depend on what the episode itself chose, so the policy gradient stays unbiased without a critic.

    Args:
        totals: What each episode earned in all, score units; groups lie one after the other.
        group_size: Episodes of one start, at least 2.

    Returns:
        Advantages, score units.

    Raises:
        ShapeError: The episodes do not make whole groups of at least two.

    Source: Kool et al. 2019 (RLOO); Ahmadian et al. 2024, arXiv:2402.14740; from states inside an
    answer, as here after a reset: Kazemnejad et al. 2024, arXiv:2410.01679.
    """
    groups = _grouped(totals, group_size)
    others = (groups.sum(dim=1, keepdim=True) - groups) / (group_size - 1)
    return (groups - others).flatten()


def group_normalised(scores: Float[Tensor, " batch"], group_size: int) -> Float[Tensor, " batch"]:
    """Return how many spreads of its group each episode scored better than the group's mean.

    Args:
        scores: Of each answer; groups lie one after the other.
        group_size: Episodes of one start, at least 2.

    Returns:
        Advantages without unit; 0 in a group of zero spread.

    Raises:
        ShapeError: The episodes do not make whole groups of at least two.

    Source: Shao et al. 2024, arXiv:2402.03300, section 4.1.2 (GRPO, outcome supervision).
    """
    groups = _grouped(scores, group_size)
    centred = groups - groups.mean(dim=1, keepdim=True)
    # 1e-4 as in TRL: a group whose scores differ by rounding only must not be blown up.
    return (centred / (groups.std(dim=1, keepdim=True) + 1e-4)).flatten()


def zero_spread(scores: Float[Tensor, " batch"], group_size: int) -> Bool[Tensor, " groups"]:
    """Return which groups were scored all alike, so that nothing can be learned from them."""
    groups = _grouped(scores, group_size)
    return (groups == groups[:, :1]).all(dim=1)


def _grouped(totals: Float[Tensor, " batch"], group_size: int) -> Float[Tensor, "groups members"]:
    if group_size < 2 or len(totals) % group_size:
        raise ShapeError(
            f"{len(totals)} episodes do not make whole groups of {group_size}; expected a multiple "
            "of a group size of at least 2."
        )
    return totals.reshape(-1, group_size)


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
