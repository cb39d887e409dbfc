"""From finished episodes to a policy update: score them, assign credit, learn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.errors import TrainingDivergedError
from drpo.modeling.models import Models
from drpo.modeling.seeding import generator_for
from drpo.rl.advantages import gae
from drpo.rl.kl import kl_per_token
from drpo.rl.losses import policy_loss, value_loss
from drpo.rl.rewards import shape_rewards, whiten
from drpo.rl.rollout import (
    Rollout,
    action_logits,
    action_values,
    by_length,
    entropy_of,
    log_probs_of,
)

Epochs = list[list[list[list[int]]]]
"""Rows by PPO epoch, minibatch and micro-batch."""


@dataclass(frozen=True)
class OldPolicyStats:
    """The networks' outputs on the episodes before this update's first step; 0 where not acted."""

    log_probs: Float[Tensor, "batch time"]
    kl: Float[Tensor, "batch time"]
    values: Float[Tensor, "batch time"]
    entropy: Float[Tensor, "batch time"]


@dataclass(frozen=True)
class Credit:
    """What each chosen token earned."""

    rewards: Float[Tensor, "batch time"]
    advantages: Float[Tensor, "batch time"]
    """Whitened over the chosen tokens of the update."""
    returns: Float[Tensor, "batch time"]


def split_minibatches(rollout: Rollout, config: RunConfig, step: int) -> Epochs:
    """Split the episodes into minibatches for every PPO epoch, and those into micro-batches.

    The first epoch's micro-batches also serve for `old_policy_stats`: the same rectangle goes
    through the same arithmetic twice, so the first ratio is exactly 1.
    """
    rows, parts = rollout.tokens.shape[0], config.ppo.num_mini_batches
    generator = generator_for(config.run.seed, step, "minibatches")
    epochs: Epochs = []
    for _ in range(config.ppo.num_ppo_epochs):
        order = torch.randperm(rows, generator=generator).tolist()
        size = math.ceil(rows / parts)
        epochs.append(
            [
                list(by_length(rollout, order[begin : begin + size], config.ppo.micro_batch_size))
                for begin in range(0, rows, size)
            ]
        )
    return epochs


@torch.no_grad()
def old_policy_stats(
    models: Models, rollout: Rollout, epochs: Epochs, config: RunConfig
) -> OldPolicyStats:
    """Run every chosen token through policy, start policy and critic, one micro-batch at a time.

    Raises:
        TrainingDivergedError: A log-probability or value is not finite.
    """
    shape, device = rollout.acted.shape, rollout.tokens.device
    log_probs, reference, values, entropy = (torch.zeros(shape, device=device) for _ in range(4))
    chunks = [rows for minibatch in epochs[0] for rows in minibatch]
    temperature = config.sampling.temperature
    for rows in chunks:
        part = rollout.select(rows)
        place = (rows, slice(0, part.acted.shape[1]))
        logits = action_logits(models.policy, part, models.precision)
        logs = log_probs_of(logits, part.actions, temperature)
        log_probs[place] = torch.where(part.acted, logs, 0.0)
        entropy[place] = torch.where(part.acted, entropy_of(logits, temperature), 0.0)
        values[place] = torch.where(
            part.acted, action_values(models.critic, part, models.precision), 0.0
        )
    # All chunks of the start policy together: with adapters, switching between the two costs.
    with models.start_policy() as start:
        for rows in chunks:
            part = rollout.select(rows)
            logits = action_logits(start, part, models.precision)
            logs = log_probs_of(logits, part.actions, temperature)
            reference[rows, : part.acted.shape[1]] = torch.where(part.acted, logs, 0.0)
    for name, tensor in (("log-probabilities", log_probs), ("values", values)):
        _check_finite(name, tensor)
    kl = kl_per_token(log_probs, reference, rollout.acted, estimator=config.kl.kl_estimator)
    return OldPolicyStats(log_probs, kl, values, entropy)


def assign_credit(
    scores: Float[Tensor, " batch"],
    old: OldPolicyStats,
    rollout: Rollout,
    config: RunConfig,
    kl_coef: float,
) -> Credit:
    """Turn scores and KL into advantages and critic targets.

    Raises:
        TrainingDivergedError: A score is not finite.
    """
    _check_finite("scores", scores)
    acted = rollout.acted
    rewards = shape_rewards(scores, old.kl, acted, kl_coef)
    if config.ppo.whiten_rewards:
        rewards = whiten(rewards, acted, shift_mean=False)
    advantages, returns = gae(
        rewards, old.values, acted, gamma=config.ppo.gamma, lam=config.ppo.lam
    )
    return Credit(rewards, whiten(advantages, acted, shift_mean=True), returns)


def learn(
    models: Models,
    optimizer: torch.optim.Optimizer,
    rollout: Rollout,
    old: OldPolicyStats,
    credit: Credit,
    epochs: Epochs,
    config: RunConfig,
) -> dict[str, float]:
    """Take every optimiser step of one update.

    Returns:
        Averages over all chosen tokens of all passes, by metric name.

    Raises:
        TrainingDivergedError: A loss or gradient is not finite; the step is not taken.
    """
    totals: dict[str, float] = {}
    with models.learning():
        for minibatch in [part for epoch in epochs for part in epoch]:
            optimizer.zero_grad(set_to_none=True)
            sums = accumulate_gradients(models, rollout, old, credit, minibatch, config)
            clip_gradients(models, config.ppo.max_grad_norm)
            optimizer.step()
            for name, value in sums.items():
                totals[name] = totals.get(name, 0.0) + value
    optimizer.zero_grad(set_to_none=True)
    return _averages(totals)


def accumulate_gradients(
    models: Models,
    rollout: Rollout,
    old: OldPolicyStats,
    credit: Credit,
    minibatch: Sequence[list[int]],
    config: RunConfig,
) -> dict[str, float]:
    """Add up the gradient of one minibatch, one micro-batch at a time.

    Every token counts the same whatever chunk it is in: the denominator is the token count of the
    whole minibatch.
    """
    rows_of_all = [row for rows in minibatch for row in rows]
    tokens = int(rollout.acted[rows_of_all].sum())
    ppo, temperature = config.ppo, config.sampling.temperature
    sums: dict[str, float] = {"tokens": float(tokens)}
    for rows in minibatch:
        part = rollout.select(rows)
        place = (rows, slice(0, part.acted.shape[1]))
        logits = action_logits(models.policy, part, models.precision)
        policy_sum, policy_sums = policy_loss(
            log_probs_of(logits, part.actions, temperature),
            old.log_probs[place],
            credit.advantages[place],
            part.acted,
            cliprange=ppo.cliprange,
        )
        value_sum, value_sums = value_loss(
            action_values(models.critic, part, models.precision),
            old.values[place],
            credit.returns[place],
            part.acted,
            cliprange_value=ppo.cliprange_value,
        )
        loss = (policy_sum + ppo.vf_coef * value_sum) / tokens
        _check_finite("loss", loss)
        loss.backward()  # type: ignore[no-untyped-call]
        parts = {
            "policy_loss": policy_sum,
            "value_loss": value_sum,
            "value_clipped": value_sums["clipped"],
            **policy_sums,
        }
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
    return sums


def clip_gradients(models: Models, limit: float) -> None:
    """Scale long gradients down: policy and critic each by itself.

    One common norm would let a critic that is far off shrink the policy's steps.
    """
    for module in (models.policy, models.critic):
        norm = torch.nn.utils.clip_grad_norm_(
            [p for p in module.parameters() if p.requires_grad], limit
        )
        _check_finite("gradient norm", norm)


def _averages(totals: dict[str, float]) -> dict[str, float]:
    mean = {name: value / totals["tokens"] for name, value in totals.items()}
    return {
        metrics.LOSS_POLICY_AVG: mean["policy_loss"],
        metrics.LOSS_VALUE_AVG: mean["value_loss"],
        metrics.POLICY_APPROXKL_AVG: mean["approxkl"],
        metrics.POLICY_CLIPFRAC_AVG: mean["clipped"],
        metrics.VAL_CLIPFRAC_AVG: mean["value_clipped"],
        metrics.VAL_RATIO: 1.0 + mean["ratio_excess"],
        metrics.VAL_RATIO_VAR: mean["ratio_excess_squared"] - mean["ratio_excess"] ** 2,
    }


def _check_finite(name: str, tensor: Tensor) -> None:
    if not bool(torch.isfinite(tensor).all()):
        raise TrainingDivergedError(
            f"The {name} became NaN or infinite, so training stopped before a step was taken with "
            "them; the last checkpoint is good. Lower learning_rate or raise kl_coef and resume, "
            "or look at the reward model's scores."
        )
