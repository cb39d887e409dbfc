"""How the critic learns: its statistics, its warm-up, its gradient, what it foresees."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.modeling.critic import Critic
from drpo.modeling.models import Models
from drpo.rl.credit import Credit, OldPolicyStats
from drpo.rl.finite import check_finite
from drpo.rl.losses import value_loss
from drpo.rl.micro_batches import by_length, micro_batch
from drpo.rl.minibatches import add_gradients, add_up, clip_gradients, split_minibatches, tokens_of
from drpo.rl.rollout import Rollout
from drpo.rl.scoring import action_values

FOLLOW = 0.1
"""Share of the newest update in the running mean and spread of the returns."""


@torch.no_grad()
def critic_values(
    models: Models, rollout: Rollout, chunks: Sequence[list[int]]
) -> Float[Tensor, "batch time"] | None:
    """Return the critic's estimate before each chosen token, score units; None without a critic.

    Raises:
        TrainingDivergedError: One is not finite.
    """
    if models.critic is None:
        return None
    values = torch.zeros(rollout.acted.shape, device=rollout.tokens.device)
    for rows in models.ranks.shares(chunks):
        part = micro_batch(rollout, rows)
        foreseen = action_values(models.critic, part, models.precision)
        values[rows, : part.acted.shape[1]] = part.by_row(foreseen)
    models.ranks.add(values)
    check_finite("values", values)
    return values


def critic_gradients(
    critic: Critic,
    models: Models,
    rollout: Rollout,
    old: OldPolicyStats,
    credit: Credit,
    minibatch: Sequence[list[int]],
    config: RunConfig,
    scale: float = 1.0,
) -> dict[str, float]:
    """Add up the critic's gradient of one minibatch, as `policy_gradients` does the policy's.

    Returns:
        Sums over the chosen tokens, for the metrics.
    """
    assert old.values is not None, "a critic's old values are measured with the old policy's"
    tokens, sums = tokens_of(rollout, minibatch), dict[str, float]()
    for rows in models.ranks.shares(minibatch):
        part = micro_batch(rollout, rows)
        place = (rows, slice(0, part.acted.shape[1]))
        loss, parts = value_loss(
            part.by_row(action_values(critic, part, models.precision)),
            old.values[place],
            credit.returns[place],
            part.acted,
            cliprange_value=config.critic.cliprange_value,
            spread=float(critic.spread),
        )
        check_finite("critic's loss", loss, episodes=rows)
        (loss / tokens * scale).backward()  # type: ignore[no-untyped-call]
        add_up(sums, {"loss": float(loss.detach()), "clipped": float(parts["clipped"])})
    return sums


def prepare_critic(
    models: Models,
    optimizer: torch.optim.Optimizer,
    rollout: Rollout,
    old: OldPolicyStats,
    credit: Credit,
    config: RunConfig,
    step: int,
) -> OldPolicyStats:
    """Let the critic's units follow the returns; before the first update let it learn ahead.

    Returns:
        The same measurements; with what the critic foresees now where it has changed.
    """
    critic = models.critic
    assert critic is not None, "asked only where there is one"
    if config.critic.critic_scaling:
        follow_returns(critic, credit.returns, rollout.acted, first=step == 0)
    if step or not (config.critic.critic_scaling or config.critic.critic_warmup_steps):
        return old
    size = models.ranks.size
    minibatches = critic_minibatches(rollout, config, step, ranks=size)
    chunks = by_length(rollout, config.ppo.rows_at_once, ranks=size)
    old = replace(old, values=critic_values(models, rollout, chunks))
    # The first guess is no place to stay near, so the warm-up does not clip.
    free = config.replace(cliprange_value=1e9)
    steps = itertools.islice(itertools.cycle(minibatches), config.critic.critic_warmup_steps)
    learn_critic(models, optimizer, rollout, old, credit, list(steps), free)
    return replace(old, values=critic_values(models, rollout, chunks))


def follow_returns(
    critic: Critic,
    returns: Float[Tensor, "batch time"],
    acted: Bool[Tensor, "batch time"],
    *,
    first: bool,
) -> None:
    """Let the critic's mean and spread follow the returns of an update.

    Args:
        critic: Whose buffers change; what it foresees does not, unless its head is still zero.
        returns: What was still to come before each token, score units.
        acted: True where the policy chose the token.
        first: Whether these are the first returns of the run, taken up whole.
    """
    seen = returns[acted]
    mean, spread = float(seen.mean()), float(seen.std(correction=0))
    if not first:
        mean = (1 - FOLLOW) * float(critic.mean) + FOLLOW * mean
        spread = (1 - FOLLOW) * float(critic.spread) + FOLLOW * spread
    # All answers scored alike: any unit will do, and dividing by 0 will not.
    critic.follow(mean, spread if spread > 1e-6 else 1.0)


def critic_minibatches(
    rollout: Rollout,
    config: RunConfig,
    step: int,
    rows: Sequence[int] | None = None,
    *,
    ranks: int = 1,
) -> list[list[list[int]]]:
    """Return the critic's minibatches of an update: as many passes as the policy's, its own cuts.

    A critic has more to learn than one step a pass can teach it, and smaller steps cost the same.
    """
    parts = config.critic.critic_mini_batches
    epochs = split_minibatches(rollout, config, step, rows, parts, ranks=ranks)
    return [part for epoch in epochs for part in epoch]


def learn_critic(
    models: Models,
    optimizer: torch.optim.Optimizer,
    rollout: Rollout,
    old: OldPolicyStats,
    credit: Credit,
    minibatches: Sequence[list[list[int]]],
    config: RunConfig,
) -> dict[str, float]:
    """Take every step of the critic in one update.

    The policy has no gradient meanwhile, so the optimiser passes it by, and only one network's
    graph is alive at a time.

    Returns:
        Averages over all chosen tokens of all passes, by metric name.

    Raises:
        TrainingDivergedError: A loss or gradient is not finite; the step is not taken.
    """
    critic = models.critic
    assert critic is not None, "asked only where there is one"
    weights = {name: one for name, one in critic.named_parameters() if one.requires_grad}
    totals: dict[str, float] = {}
    with models.learning():
        for minibatch in minibatches:
            tokens = tokens_of(rollout, minibatch)
            gradients = partial(
                critic_gradients, critic, models, rollout, old, credit, minibatch, config
            )
            sums = add_gradients(weights, models.precision, tokens, gradients, models.ranks)
            clip_gradients("critic", weights, config.ppo.max_grad_norm)
            optimizer.step()
            add_up(totals, {**sums, "tokens": float(tokens)})
    optimizer.zero_grad(set_to_none=True)
    return (
        {
            metrics.LOSS_VALUE_AVG: totals["loss"] / totals["tokens"],
            metrics.VAL_CLIPFRAC_AVG: totals["clipped"] / totals["tokens"],
        }
        if totals
        else {}
    )
