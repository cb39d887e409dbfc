"""From scores of whole answers to a reward after each token."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drpo.errors import ShapeError


def penalise_unfinished(
    scores: Float[Tensor, " batch"],
    finished: Bool[Tensor, " batch"],
    penalty: float | None,
    *,
    replace: bool = False,
) -> Float[Tensor, " batch"]:
    """Make answers that did not end by themselves worth less.

    Args:
        scores: Score of each whole answer, score units.
        finished: Whether the answer ended by itself.
        penalty: Score units; None changes nothing.
        replace: The penalty stands in place of the score instead of being taken off it. Where a
            reward model scores below it on average, not ending then pays.

    Source: subtracting is TRL's PPO; replacing (by -1) is the authors' code of arXiv:2404.08495.
    """
    if penalty is None:
        return scores
    unfinished = torch.full_like(scores, penalty) if replace else scores - penalty
    return torch.where(finished, scores, unfinished)


def shape_rewards(
    scores: Float[Tensor, " batch"],
    kl: Float[Tensor, "batch time"],
    acted: Bool[Tensor, "batch time"],
    kl_coef: float,
) -> Float[Tensor, "batch time"]:
    """Give each chosen token its KL cost, and the last one the answer's score as well.

    Args:
        scores: Score of each whole answer, prefix included, score units.
        kl: KL estimate of each chosen token, nats; 0 elsewhere.
        acted: True where the policy chose the token; one unbroken run per row.
        kl_coef: Score units taken off per nat.

    Returns:
        Rewards, score units; 0 where the policy did not act.

    Source: arXiv:2404.08495, equation 1 (the KL-regularised objective).
    """
    rewards = torch.where(acted, -kl_coef * kl, 0.0)
    last = last_acted(acted)
    ends = torch.nn.functional.one_hot(last, acted.shape[1]).bool()
    return torch.where(ends, rewards + scores[:, None], rewards)


def last_acted(acted: Bool[Tensor, "batch time"]) -> torch.Tensor:
    """Return the column of each row's last chosen token.

    Raises:
        ShapeError: A row holds no chosen token.
    """
    if not bool(acted.any(dim=1).all()):
        empty = int((~acted.any(dim=1)).nonzero()[0])
        raise ShapeError(
            f"Row {empty} holds no token chosen by the policy, so there is nothing to reward; "
            "every episode must leave at least one token to choose."
        )
    columns = torch.arange(acted.shape[1], device=acted.device)
    return torch.where(acted, columns, -1).amax(dim=1)


def whiten(
    values: Float[Tensor, "batch time"],
    acted: Bool[Tensor, "batch time"],
    *,
    shift_mean: bool,
) -> Float[Tensor, "batch time"]:
    """Scale chosen tokens' values to unit spread; shift them to mean 0 only if asked.

    Rewards keep their mean (a constant bonus per token would otherwise change the best length),
    advantages lose it. Masked places stay 0 and enter neither mean nor spread.
    """
    count = acted.sum().clamp(min=2)
    kept = torch.where(acted, values, 0.0)
    mean = kept.sum() / count
    variance = torch.where(acted, (values - mean) ** 2, 0.0).sum() / (count - 1)
    scaled = (values - mean) * torch.rsqrt(variance + 1e-8)
    return torch.where(acted, scaled if shift_mean else scaled + mean, 0.0)
