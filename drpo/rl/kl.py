"""How far the policy has departed from the start policy, token by token."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drpo.errors import ConfigError


def kl_per_token(
    log_probs: Float[Tensor, "batch time"],
    reference_log_probs: Float[Tensor, "batch time"],
    acted: Bool[Tensor, "batch time"],
    *,
    estimator: str,
) -> Float[Tensor, "batch time"]:
    """Estimate KL(policy || start policy) from the chosen tokens.

    k1 is the log-ratio itself: unbiased, and negative on some tokens. k3 adds the control variate
    (ratio - 1): also unbiased, less spread, never negative.

    Args:
        log_probs: The policy's log-probability of each token, nats.
        reference_log_probs: The frozen start policy's, under the same temperature, nats.
        acted: True where the policy chose the token.
        estimator: k1 or k3.

    Returns:
        The estimate for each chosen token in nats, 0 elsewhere. The same tensor is trained on and
        logged.

    Source: J. Schulman, "Approximating KL divergence", 2020.
    """
    # `where` comes first: the arithmetic below must never see what stands in masked places.
    log_ratio = torch.where(acted, log_probs - reference_log_probs, 0.0)
    if estimator == "k1":
        return log_ratio
    if estimator == "k3":
        return torch.expm1(-log_ratio) + log_ratio
    raise ConfigError(f"kl_estimator must be k1 or k3, got {estimator!r}.")


def exact_kl(
    logits: Float[Tensor, "*batch vocab"], reference_logits: Float[Tensor, "*batch vocab"]
) -> Float[Tensor, "*batch"]:
    """Return KL between two next-token distributions, summed over the vocabulary, nats.

    Used where answers are judged rather than trained on: the expectation over the next token is
    taken exactly, so the result is never negative and has less spread than one sampled token gives.
    """
    log_p = logits.float().log_softmax(-1)
    log_q = reference_logits.float().log_softmax(-1)
    # Where p is 0, p * (log p - log q) is 0 by continuity, though log p may be -inf.
    terms = torch.where(log_p.isneginf(), 0.0, log_p.exp() * (log_p - log_q))
    return terms.sum(-1).clamp(min=0.0)
