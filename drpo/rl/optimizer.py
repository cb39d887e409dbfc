"""Adam over policy and critic: step sizes, and its moments as a checkpoint keeps them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from drpo.config.run_config import RunConfig
from drpo.modeling.models import Models
from drpo.rl.schedules import learning_rate

CRITIC_PACE = 10.0
"""Step size of the critic in steps of the policy, where nobody says otherwise."""
_POWERS = {"step": 0, "exp_avg": 1, "exp_avg_sq": 2}
"""What Adam keeps of a weight, and which power of its gradient that is a mean of."""


def make_optimizer(models: Models, config: RunConfig) -> torch.optim.AdamW:
    """Return Adam over policy and critic, each with a step size of its own (`set_step_size`)."""
    trained = models.trained()
    parts = [
        [weight for name, weight in trained.items() if name.startswith(part)]
        for part in ("policy.", "critic.")
    ]
    groups = [{"params": weights} for weights in parts if weights]
    return torch.optim.AdamW(
        groups, lr=config.ppo.learning_rate, eps=config.ppo.adam_eps, weight_decay=0.0, fused=True
    )


def set_step_size(
    optimizer: torch.optim.Optimizer,
    config: RunConfig,
    step: int,
    *,
    base: float | None = None,
    critic_share: float = 1.0,
) -> float:
    """Set the step sizes of update `step`: both fall alike. Returns the policy's.

    Args:
        optimizer: From `make_optimizer`.
        config: The run.
        step: The update.
        base: The policy's `learning_rate` where it was changed since; the critic's changes alike.
        critic_share: What is left of the critic's, where it learns alone.
    """
    policy = learning_rate(config, step, base)
    critic = config.critic.critic_learning_rate or CRITIC_PACE * config.ppo.learning_rate
    sizes = (policy, critic_share * policy * critic / config.ppo.learning_rate)
    # Without a critic there is one group.
    for group, size in zip(optimizer.param_groups, sizes, strict=False):
        group["lr"] = size
    return policy


def optimizer_tensors(models: Models, optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    """Return Adam's moments by weight and kind, on the processor."""
    return {
        f"{name}.{kind}": value.detach().cpu().contiguous()
        for name, weight in models.trained().items()
        for kind, value in optimizer.state.get(weight, {}).items()
    }


def load_moments(
    models: Models,
    optimizer: torch.optim.AdamW,
    saved: Mapping[str, Tensor],
    *,
    critic_weight: float = 1.0,
) -> None:
    """Put moments back that `optimizer_tensors` returned.

    Args:
        models: Whose weights they belong to.
        optimizer: Takes them.
        saved: The moments by weight and kind.
        critic_weight: What the critic's loss was multiplied by when they were taken. Adam's steps
            do not depend on it while it stays the same; moments of a tenth of the gradient would
            make the critic's steps several times too long for some hundred steps. After 0, which
            leaves nothing to divide, the critic's moments begin anew.
    """
    for name, weight in models.trained().items():
        scale = critic_weight if name.startswith("critic.") else 1.0
        if scale == 0:
            continue
        moments = {kind: saved[f"{name}.{kind}"] for kind in _POWERS if f"{name}.{kind}" in saved}
        if moments:
            optimizer.state[weight] = {
                # The fused optimiser counts its steps on the weights' device.
                kind: value.to(weight.device) / scale ** _POWERS[kind]
                for kind, value in moments.items()
            }
