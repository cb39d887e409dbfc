"""Stop before the weights are touched by something that is no number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from drpo.errors import TrainingDivergedError

NAMED = 3
"""Episodes and weights that a message names."""


def check_finite(name: str, tensor: Tensor, *, episodes: Sequence[int] | None = None) -> None:
    """See that every entry is a finite number.

    Args:
        name: What the tensor is, for the message.
        tensor: With a row for every episode, or one number of several episodes together.
        episodes: Which those are, by their places in the update's batch.

    Raises:
        TrainingDivergedError: One is NaN or infinite; the message names the episodes.
    """
    # One question to the device; which rows they are is asked only when there is something wrong.
    if bool(torch.isfinite(tensor).all()):
        return
    if tensor.dim():
        bad = ~torch.isfinite(tensor).reshape(len(tensor), -1).all(dim=1)
        where = f"in {_listed('episode', bad.nonzero().flatten().tolist())}"
    else:
        where = f"in a micro-batch of {_listed('episode', episodes)}" if episodes else ""
    raise TrainingDivergedError(_message(name, where))


def check_gradient(name: str, norm: Tensor, weights: Mapping[str, nn.Parameter]) -> None:
    """See that a gradient is finite.

    Args:
        name: Whose gradient it is.
        norm: Its length.
        weights: By name; looked through only where the length is no number.

    Raises:
        TrainingDivergedError: It is not; the message names weights.
    """
    if bool(torch.isfinite(norm)):
        return
    bad = [
        weight_name
        for weight_name, weight in weights.items()
        if weight.grad is not None and not bool(torch.isfinite(weight.grad).all())
    ]
    raise TrainingDivergedError(_message(f"{name}'s gradient", f"in {_listed('weight', bad)}"))


def _message(name: str, where: str) -> str:
    place = f" {where}" if where else ""
    return (
        f"The {name} became NaN or infinite{place}, so training stopped before a step was taken "
        "with it, and the last checkpoint is whole. Resumed, this run would end here again: start "
        "a new one like it with a lower learning_rate or a higher kl_coef, and look at the reward "
        "model's scores."
    )


def _listed(what: str, found: Sequence[object]) -> str:
    if not found:
        return f"every {what} together"
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"{what}{'s' if len(found) > 1 else ''} {', '.join(map(str, found[:NAMED]))}{more}"
