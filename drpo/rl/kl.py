"""How far the policy has departed from the start policy, token by token.

Three estimators with three uses. What a reward takes must have the right *gradient*, not only the
right mean: through the score function, k1 (the log-ratio) and the exact sum give the gradient of
KL(pi || start); k3, taken as a reward, gives that of KL(pi || start) - KL(start || pi), which
vanishes where the two agree and points away from the start policy where they do not. So the reward
takes k1 or the exact sum. k3 is logged, and is the loss term of GRPO, where it is differentiated.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def k1_per_token(
    log_probs: Float[Tensor, "batch time"],
    reference_log_probs: Float[Tensor, "batch time"],
    acted: Bool[Tensor, "batch time"],
) -> Float[Tensor, "batch time"]:
    """Estimate KL(policy || start policy) by the log-ratio of the chosen tokens.

    Args:
        log_probs: The policy's log-probability of each token, nats.
        reference_log_probs: The frozen start policy's, under the same temperature, nats.
        acted: True where the policy chose the token.

    Returns:
        The estimate for each chosen token in nats, unbiased and negative on some; 0 elsewhere.

    Source: J. Schulman, "Approximating KL divergence", 2020.
    """
    # `where` comes first: what stands in masked places may be infinite.
    return torch.where(acted, log_probs - reference_log_probs, 0.0)


def k3_per_token(
    log_probs: Float[Tensor, "batch time"],
    reference_log_probs: Float[Tensor, "batch time"],
    acted: Bool[Tensor, "batch time"],
) -> Float[Tensor, "batch time"]:
    """Estimate KL(policy || start policy) with the control variate (ratio - 1) added to k1.

    As a number it is unbiased, never negative and has less spread than k1. Differentiated, as GRPO
    does in its loss, its expected gradient is that of KL(start || policy), a brake as well. It is
    no reward: see the module's first lines.

    Source: J. Schulman, "Approximating KL divergence", 2020; Shao et al. 2024, arXiv:2402.03300,
    equation 4.
    """
    log_ratio = k1_per_token(log_probs, reference_log_probs, acted)
    return torch.expm1(-log_ratio) + log_ratio


def exact_kl(
    logits: Float[Tensor, "*batch vocab"], reference_logits: Float[Tensor, "*batch vocab"]
) -> Float[Tensor, "*batch"]:
    """Return KL between two next-token distributions, summed over the vocabulary, nats.

    The expectation over the next token is taken exactly, so the result is never negative and has
    less spread than one sampled token gives.
    """
    log_p = logits.float().log_softmax(-1)
    log_q = reference_logits.float().log_softmax(-1)
    # Where p is 0, p * (log p - log q) is 0 by continuity, though log p may be -inf.
    terms = torch.where(log_p.isneginf(), 0.0, log_p.exp() * (log_p - log_q))
    return terms.sum(-1).clamp(min=0.0)
