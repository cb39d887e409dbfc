"""From scores and KL to what each chosen token earned: the advantage estimators.

    gae    rewards per token, a critic as baseline, decayed along the answer
    rloo   one total per episode, the mean of the group's other episodes as baseline
    grpo   the score, centred and divided by the group's spread; the brake beside it, as in rloo

A group is `group_size` continuations of one start. Only chosen tokens earn anything: a group's
episodes share a reset prefix, and no token of it is in these tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drpo.config.run_config import RunConfig
from drpo.rl.advantages import gae, group_normalised, leave_one_out
from drpo.rl.finite import check_finite
from drpo.rl.rewards import shape_rewards, whiten


@dataclass(frozen=True)
class OldPolicyStats:
    """The networks' outputs on the episodes before this update's first step; 0 where not acted."""

    log_probs: Float[Tensor, "batch time"]
    reference_log_probs: Float[Tensor, "batch time"]
    """Of the same tokens under the start policy."""
    kl: Float[Tensor, "batch time"]
    """KL as the reward counts it: the log-ratio (k1), or the sum over the vocabulary (exact)."""
    entropy: Float[Tensor, "batch time"]
    values: Float[Tensor, "batch time"] | None
    """The critic's estimates before each token, score units; None where there is no critic."""

    @property
    def log_ratio(self) -> Float[Tensor, "batch time"]:
        """Of policy and start policy, nats."""
        return self.log_probs - self.reference_log_probs


@dataclass(frozen=True)
class Credit:
    """What each chosen token earned."""

    advantages: Float[Tensor, "batch time"]
    """gae: whitened over the chosen tokens of the update; rloo: score units; grpo: spreads of the
    scores, and the brake in score units."""
    returns: Float[Tensor, "batch time"]
    """What was still to come before each token, score units: the critic's targets."""


def assign_credit(
    scores: Float[Tensor, " batch"],
    old: OldPolicyStats,
    acted: Bool[Tensor, "batch time"],
    config: RunConfig,
    kl_coef: float,
) -> Credit:
    """Turn scores and KL into advantages.

    Raises:
        TrainingDivergedError: A score is not finite.
    """
    check_finite("scores", scores)
    # GRPO with its own KL term: the brake is in the loss, and must not brake twice.
    cost = 0.0 if config.kl.kl_placement == "loss" else kl_coef
    rewards = shape_rewards(scores, old.kl, acted, cost)
    if config.ppo.whiten_rewards:
        rewards = whiten(rewards, acted, shift_mean=False)
    correction = immediate_kl(old, cost) if config.kl.kl_estimator == "exact" else 0.0
    returns = returns_to_go(rewards, acted, config.ppo.gamma)
    if config.ppo.advantage == "gae":
        advantages, targets = _from_critic(rewards, returns, old, acted, config)
        return Credit(whiten(advantages + correction, acted, shift_mean=True), targets)
    size = config.ppo.group_size
    if config.ppo.advantage == "rloo":
        of_episode = leave_one_out(rewards.sum(dim=1), size)
    else:
        of_episode = group_normalised(scores, size) + leave_one_out(_braked(old, acted, cost), size)
    return Credit(torch.where(acted, of_episode[:, None] + correction, 0.0), returns)


def _braked(
    old: OldPolicyStats, acted: Bool[Tensor, "batch time"], kl_coef: float
) -> Float[Tensor, " batch"]:
    """Return what the brake takes off each episode, score units.

    It is not divided by the spread of a group, as it is not where GRPO has it in the loss. Among
    answers that score alike the spread would be that of the brake itself, and dividing by it
    makes the brake as strong there as all that is to be won elsewhere: with most groups failing
    from end to end, nothing else was learned.
    """
    return -kl_coef * torch.where(acted, old.kl, 0.0).sum(dim=1)


def _from_critic(
    rewards: Float[Tensor, "batch time"],
    returns: Float[Tensor, "batch time"],
    old: OldPolicyStats,
    acted: Bool[Tensor, "batch time"],
    config: RunConfig,
) -> tuple[Float[Tensor, "batch time"], Float[Tensor, "batch time"]]:
    """Return advantages and critic targets, each with its own trace decay."""
    values = torch.zeros_like(rewards) if old.values is None else old.values
    ppo = config.ppo
    advantages, targets = gae(rewards, values, acted, gamma=ppo.gamma, lam=ppo.lam)
    if config.critic.critic_lam == 1.0:
        # The full return does not lean on the critic that it teaches.
        return advantages, returns
    if config.critic.critic_lam != ppo.lam:
        _, targets = gae(rewards, values, acted, gamma=ppo.gamma, lam=config.critic.critic_lam)
    return advantages, targets


def returns_to_go(
    rewards: Float[Tensor, "batch time"], acted: Bool[Tensor, "batch time"], gamma: float
) -> Float[Tensor, "batch time"]:
    """Return the discounted sum of rewards from each chosen token on, score units."""
    returns, _ = gae(rewards, torch.zeros_like(rewards), acted, gamma=gamma, lam=1.0)
    return returns


def immediate_kl(old: OldPolicyStats, kl_coef: float) -> Float[Tensor, "batch time"]:
    """Return what the exact KL, which depends on the state alone, leaves out of a token's credit.

    The sum over the vocabulary at a state says nothing about which token was chosen there, so as a
    reward it only credits the tokens before. The choice's own part is its log-ratio; the exact
    value is its mean and serves as the baseline. Together the expected gradient is that of the KL.

    Returns:
        Score units; 0 where the policy did not act.
    """
    return -kl_coef * (old.log_ratio - old.kl)
