"""Stop before the weights are touched by something that is no number."""

from __future__ import annotations

import torch
from torch import Tensor

from drpo.errors import TrainingDivergedError


def check_finite(name: str, tensor: Tensor) -> None:
    """See that every entry is a finite number.

    Raises:
        TrainingDivergedError: One is NaN or infinite.
    """
    if not bool(torch.isfinite(tensor).all()):
        raise TrainingDivergedError(
            f"The {name} became NaN or infinite, so training stopped before a step was taken with "
            "them; the last checkpoint is good. Lower learning_rate or raise kl_coef and resume, "
            "or look at the reward model's scores."
        )
