"""What networks say of the chosen tokens: logits, log-probabilities, entropies, values.

The head, the widest layer of a model, reads no position but those that a choice follows.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from drpo.modeling.forward_pass import Precision, call_at
from drpo.rl.micro_batches import MicroBatch


def action_logits(
    model: nn.Module, part: MicroBatch, precision: Precision
) -> Float[Tensor, "chosen vocab"]:
    """Return the logits each chosen token was, or would be, drawn from; float32."""
    with precision.autocast():
        return call_at(model, part.tokens, part.at).float()


def action_values(
    critic: nn.Module, part: MicroBatch, precision: Precision
) -> Float[Tensor, " chosen"]:
    """Return the critic's estimate before each chosen token, score units."""
    with precision.autocast():
        values: Tensor = critic(part.tokens, part.at)
    return values.float()


def tempered(
    logits: Float[Tensor, "*batch vocab"], temperature: float
) -> Float[Tensor, "*batch vocab"]:
    """Return the log-probability of every next token, nats; at temperature 0 as at 1."""
    scaled = logits if temperature in (0.0, 1.0) else logits / temperature
    return scaled.log_softmax(-1)


def picked(
    log_probs: Float[Tensor, "*batch vocab"], actions: Int[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Return the log-probability of each token in the distribution it was drawn from, nats."""
    return log_probs.gather(-1, actions[..., None])[..., 0]


def entropy_of(log_probs: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch"]:
    """Return the entropy of each next-token distribution, nats."""
    # Where p is 0, p log p is 0 by continuity, though log p may be -inf.
    return -(log_probs.exp() * log_probs.clamp(min=torch.finfo(log_probs.dtype).min)).sum(-1)
