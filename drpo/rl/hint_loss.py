"""Learning from what was given: the likelihood of reset prefixes as a loss of its own.

This is the one place where tokens that the policy did not choose are learned from. The loss stands
beside the policy's, with a weight and a metric of its own, and nothing of it enters ratio, KL or
advantages. With weight 0, the default, no pass is made.

Source: UFT, arXiv:2505.16984. As in the authors' code: the mean over the given tokens of an
optimiser step, at temperature 1; weight .001 there. Here each distinct start counts once, however
many continuations share it, and logits are not clamped.
"""

from __future__ import annotations

from collections.abc import Sequence

from drpo.config.run_config import RunConfig
from drpo.modeling.cuts import cut_by_length
from drpo.modeling.models import Models
from drpo.rl.finite import check_finite
from drpo.rl.micro_batches import micro_batch_of
from drpo.rl.resets import Start
from drpo.rl.scoring import action_log_probs


def hint_gradients(
    models: Models, starts: Sequence[Start], config: RunConfig, scale: float = 1.0
) -> dict[str, float]:
    """Add the gradient of the given tokens' likelihood to the policy's.

    Args:
        models: The policy learns.
        starts: Where the episodes of one optimiser step began.
        config: Its `hint_weight` multiplies the mean negative log-likelihood per token.
        scale: Multiplies the gradient besides, see `add_gradients`.

    Returns:
        `hint_loss`, the sum in nats without its weight, and `hint_tokens`, both of this rank's
        share; nothing where no token was given.
    """
    given = list(dict.fromkeys(start for start in starts if start.prefix))
    if not given or config.reset.hint_weight == 0:
        return {}
    tokens = sum(start.prefix for start in given)
    lengths = [len(start.context) for start in given]
    total, own = 0.0, 0
    cuts = cut_by_length(
        lengths,
        config.ppo.rows_at_once,
        device=models.precision.device.type,
        ranks=models.ranks.size,
    )
    for rows in models.ranks.shares(cuts):
        part = micro_batch_of(
            [(given[row].context, len(given[row].pair.prompt)) for row in rows],
            models.precision.device,
        )
        loss = -action_log_probs(models.policy, part, models.precision, 1.0).sum()
        check_finite("loss of the given tokens", loss, episodes=rows)
        (config.reset.hint_weight * loss / tokens * scale).backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
        own += sum(given[row].prefix for row in rows)
    return {"hint_loss": total, "hint_tokens": float(own)}
