"""How the episodes of an update are cut for learning: passes, minibatches, micro-batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from drpo.config.run_config import RunConfig
from drpo.modeling.forward_pass import Precision
from drpo.modeling.seeding import generator_for
from drpo.parallel.ranks import ALONE, Ranks
from drpo.rl.finite import check_gradient
from drpo.rl.micro_batches import by_length
from drpo.rl.rollout import Rollout

Epochs = list[list[list[list[int]]]]
"""Rows by PPO epoch, minibatch and micro-batch."""


def split_minibatches(
    rollout: Rollout,
    config: RunConfig,
    step: int,
    rows: Sequence[int] | None = None,
    parts: int | None = None,
    *,
    ranks: int = 1,
) -> Epochs:
    """Split episodes into minibatches for every PPO epoch, and those into micro-batches.

    The first epoch's micro-batches also serve for `old_policy_stats`: the same rectangle goes
    through the same arithmetic twice, so the first ratio is exactly 1.

    Args:
        rollout: All episodes of the update.
        config: The run.
        step: The update, for the draw of the order.
        rows: Episodes to learn from; None means all.
        parts: Minibatches of a pass; None means the policy's.
        ranks: How many devices share each micro-batch.
    """
    chosen = torch.arange(len(rollout.tokens)) if rows is None else torch.tensor(rows)
    generator = generator_for(config.run.seed, step, "minibatches")
    size = max(1, math.ceil(len(chosen) / (parts or config.ppo.num_mini_batches)))
    epochs: Epochs = []
    for _ in range(config.ppo.num_ppo_epochs):
        order = chosen[torch.randperm(len(chosen), generator=generator)].tolist()
        epochs.append(
            [
                by_length(
                    rollout, config.ppo.rows_at_once, order[begin : begin + size], ranks=ranks
                )
                for begin in range(0, len(order), size)
            ]
        )
    return epochs


def tokens_of(rollout: Rollout, minibatch: Sequence[list[int]]) -> int:
    """Return how many chosen tokens a minibatch holds."""
    return int(rollout.acted[[row for rows in minibatch for row in rows]].sum())


def add_up(sums: dict[str, float], parts: Mapping[str, float]) -> None:
    """Add some sums to those that stand under the same names."""
    for name, value in parts.items():
        sums[name] = sums.get(name, 0.0) + value


def add_gradients(
    weights: Mapping[str, nn.Parameter],
    precision: Precision,
    tokens: int,
    add: Callable[[float], dict[str, float]],
    ranks: Ranks = ALONE,
) -> dict[str, float]:
    """Fill the gradients of some weights, through numbers that the format has room for.

    Args:
        weights: Theirs are cleared before.
        precision: The pass's.
        tokens: How many tokens the loss is a mean over.
        add: Adds up the gradients of the loss times a factor, and returns sums for the metrics.
        ranks: Who else does so, each for its share of the tokens.

    Returns:
        What `add` returned, of all ranks together. Gradients that no factor keeps finite are left
        as they are, for `check_gradient` to name.
    """
    sums: dict[str, float] = {}
    for scale in precision.loss_scales(tokens):
        for weight in weights.values():
            weight.grad = None
        sums = ranks.add_figures(add(scale))
        ranks.add_gradients(weights.values())
        found = [weight.grad for weight in weights.values() if weight.grad is not None]
        if scale == 1.0 or bool(torch.isfinite(torch.nn.utils.get_total_norm(found))):
            for gradient in found if scale != 1.0 else ():
                gradient.div_(scale)
            break
    return sums


def clip_gradients(name: str, weights: Mapping[str, nn.Parameter], limit: float) -> None:
    """Scale the gradient of a network's weights down where it is longer than the limit."""
    norm = torch.nn.utils.clip_grad_norm_(list(weights.values()), limit)
    check_gradient(name, norm, weights)
