"""The policy update: score the episodes as they were drawn, then PPO's passes over them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError
from drpo.modeling.models import Models
from drpo.rl.credit import Credit, OldPolicyStats
from drpo.rl.critic_updates import critic_values
from drpo.rl.finite import check_finite
from drpo.rl.hint_loss import hint_gradients
from drpo.rl.kl import k1_per_token, k3_per_token
from drpo.rl.losses import policy_loss
from drpo.rl.micro_batches import by_length, micro_batch, padding_share
from drpo.rl.minibatches import Epochs, add_gradients, add_up, clip_gradients, tokens_of
from drpo.rl.resets import Start
from drpo.rl.rollout import Rollout
from drpo.rl.scoring import ActionScores, action_log_probs, action_scores, compared_scores


@torch.no_grad()
def old_policy_stats(
    models: Models, rollout: Rollout, epochs: Epochs, config: RunConfig
) -> OldPolicyStats:
    """Run every chosen token through policy, start policy and critic, one micro-batch at a time.

    Episodes that nothing is learned from are measured all the same, after the others.

    Raises:
        TrainingDivergedError: A log-probability or value is not finite.
    """
    shape, device = rollout.acted.shape, rollout.tokens.device
    log_probs, reference, exact, entropy = (torch.zeros(shape, device=device) for _ in range(4))
    chunks = [rows for minibatch in epochs[0] for rows in minibatch]
    learned_from = {row for rows in chunks for row in rows}
    others = [row for row in range(shape[0]) if row not in learned_from]
    chunks += by_length(rollout, config.ppo.rows_at_once, others, ranks=models.ranks.size)
    own = models.ranks.shares(chunks)
    temperature = config.sampling.temperature
    wants_exact = config.kl.kl_estimator == "exact"
    for rows in own:
        part = micro_batch(rollout, rows)
        place = (rows, slice(0, part.acted.shape[1]))
        if wants_exact:
            both = compared_scores(models.policy, models, part, temperature)
            exact[place], reference[place] = part.by_row(both.kl), part.by_row(both.reference)
            ours: ActionScores = both
        else:
            ours = action_scores(models.policy, part, models.precision, temperature)
        log_probs[place] = part.by_row(ours.log_probs)
        entropy[place] = part.by_row(ours.entropy)
    if not wants_exact:
        # All chunks of the start policy together: with adapters, switching between the two costs.
        with models.start_policy() as start:
            for rows in own:
                part = micro_batch(rollout, rows)
                place = (rows, slice(0, part.acted.shape[1]))
                theirs = action_log_probs(start, part, models.precision, temperature)
                reference[place] = part.by_row(theirs)
    models.ranks.add(log_probs, reference, exact, entropy)
    _see_that_it_fits(log_probs, models)
    check_finite("log-probabilities", log_probs)
    kl = exact if wants_exact else k1_per_token(log_probs, reference, rollout.acted)
    values = critic_values(models, rollout, chunks)
    return OldPolicyStats(log_probs, reference, kl, entropy, values)


def _see_that_it_fits(log_probs: Float[Tensor, "batch time"], models: Models) -> None:
    """See that float16 has room for what the policy computes.

    Raises:
        ConfigError: It has not; weights that are numbers, as they are here, would not do this.
    """
    half = models.precision.dtype == torch.float16
    if half and not bool(torch.isfinite(log_probs).all()):
        raise ConfigError(
            f"float16 has no room for what {models.start} computes: expected activations below "
            "65,504, got larger ones. Set dtype to bfloat16, which has; it tells eight times "
            "fewer numbers apart."
        )


def learn(
    models: Models,
    optimizer: torch.optim.Optimizer,
    rollout: Rollout,
    old: OldPolicyStats,
    credit: Credit,
    epochs: Epochs,
    config: RunConfig,
    kl_coef: float,
    starts: Sequence[Start] = (),
) -> dict[str, float]:
    """Take every step of the policy in one update.

    Args:
        models: The policy learns.
        optimizer: Its own.
        rollout: The episodes of the update.
        old: What the networks said of them before the first step.
        credit: What each chosen token earned.
        epochs: Which episodes make each step.
        config: The run.
        kl_coef: The KL brake, where it is in the loss.
        starts: Where each episode began, for the loss on given tokens; none leaves it out.

    Returns:
        Averages over all chosen tokens of all passes, by metric name; none where nothing is left to
        learn from.

    Raises:
        TrainingDivergedError: A loss or gradient is not finite; the step is not taken.
    """
    check_finite("advantages", credit.advantages)
    weights, totals = models.policy_weights(), dict[str, float]()
    with models.learning():
        for minibatch in [part for epoch in epochs for part in epoch]:
            begun = [starts[row] for rows in minibatch for row in rows] if starts else []
            gradients = partial(
                _gradients, models, rollout, old, credit, minibatch, begun, config, kl_coef
            )
            tokens = tokens_of(rollout, minibatch)
            sums = add_gradients(weights, models.precision, tokens, gradients, models.ranks)
            clip_gradients("policy", weights, config.ppo.max_grad_norm)
            optimizer.step()
            add_up(totals, sums)
    optimizer.zero_grad(set_to_none=True)
    if not totals:
        return {}
    hints, nll = totals.pop("hint_tokens", 0.0), totals.pop("hint_loss", 0.0)
    mean = {name: value / totals["tokens"] for name, value in totals.items()}
    chunks = [rows for epoch in epochs for minibatch in epoch for rows in minibatch]
    return {
        metrics.TIMING_PADDING: padding_share(rollout, models.ranks.shares(chunks)),
        metrics.LOSS_POLICY_AVG: mean["policy_loss"],
        metrics.POLICY_APPROXKL_AVG: mean["approxkl"],
        metrics.POLICY_CLIPFRAC_AVG: mean["clipped"],
        metrics.VAL_RATIO: 1.0 + mean["ratio_excess"],
        metrics.VAL_RATIO_VAR: mean["ratio_excess_squared"] - mean["ratio_excess"] ** 2,
        **({metrics.LOSS_HINT_AVG: nll / hints} if hints else {}),
    }


def _gradients(
    models: Models,
    rollout: Rollout,
    old: OldPolicyStats,
    credit: Credit,
    minibatch: Sequence[list[int]],
    starts: Sequence[Start],
    config: RunConfig,
    kl_coef: float,
    scale: float,
) -> dict[str, float]:
    """Add up all that the policy learns from in one step: what it chose, and what it was given."""
    sums = policy_gradients(models, rollout, old, credit, minibatch, config, kl_coef, scale)
    return sums | hint_gradients(models, starts, config, scale)


def policy_gradients(
    models: Models,
    rollout: Rollout,
    old: OldPolicyStats,
    credit: Credit,
    minibatch: Sequence[list[int]],
    config: RunConfig,
    kl_coef: float,
    scale: float = 1.0,
) -> dict[str, float]:
    """Add up the policy's gradient of one minibatch, one micro-batch at a time.

    Every token counts the same whatever chunk it is in, and on whichever rank: the denominator is
    the token count of the whole minibatch. The gradient is `scale` times that of the mean, see
    `add_gradients`.

    Returns:
        Sums over the chosen tokens, for the metrics.
    """
    tokens = tokens_of(rollout, minibatch)
    in_loss = config.kl.kl_placement == "loss"
    sums: dict[str, float] = {}
    for rows in models.ranks.shares(minibatch):
        part = micro_batch(rollout, rows)
        place = (rows, slice(0, part.acted.shape[1]))
        temperature = config.sampling.temperature
        logs = action_log_probs(models.policy, part, models.precision, temperature)
        log_probs = part.by_row(logs)
        loss, parts = policy_loss(
            log_probs,
            old.log_probs[place],
            credit.advantages[place],
            part.acted,
            cliprange=config.ppo.cliprange,
        )
        if in_loss:
            kl = k3_per_token(log_probs, old.reference_log_probs[place], part.acted).sum()
            loss = loss + kl_coef * kl
        check_finite("policy's loss", loss, episodes=rows)
        (loss / tokens * scale).backward()  # type: ignore[no-untyped-call]
        add_up(
            sums,
            {name: float(value.detach()) for name, value in {"policy_loss": loss, **parts}.items()},
        )
        add_up(sums, {"tokens": float(len(part.actions))})
    return sums
