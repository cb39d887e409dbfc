"""Stop before the weights are touched by something that is no number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from drpo.errors import TrainingDivergedError

NAMED = 3
"""Episodes and weights that a message names."""
_LOSS, _GRADIENT = "'s loss", "'s gradient"
_SETTINGS = {
    "sft": "sft_learning_rate",
    "reward_model": "rm_learning_rate",
    "dpo": "dpo_learning_rate",
}
"""The step size of a stage before the updates, which begins anew when its run is resumed."""


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
        raise _diverged(name, "episode", bad.nonzero().flatten().tolist())
    raise _diverged(name, "batch" if episodes else "", episodes or ())


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
    raise _diverged(f"{name}{_GRADIENT}", "weight", bad)


def _diverged(tensor: str, part: str = "", found: Sequence[object] = ()) -> TrainingDivergedError:
    """The error, with what other languages say it by.

    Args:
        tensor: What is no number.
        part: What of it is: an episode, a weight, or a micro-batch of episodes.
        found: Which of them; none for all together.
    """
    stage = tensor.removesuffix(_LOSS).removesuffix(_GRADIENT)
    setting = _SETTINGS.get(stage, "learning_rate")
    places = _listed(found)
    many = "s" if len(found) > 1 else ""
    where = {
        "": "",
        "episode": f" in episode{many} {places}",
        "weight": f" in weight{many} {places}" if found else " in every weight together",
        "batch": f" in a micro-batch of episode{many} {places}",
    }[part]
    if setting == "learning_rate":
        remedy = (
            "resume it with a lower learning_rate or a higher kl_coef (`drpo resume RUN "
            "learning_rate=VALUE`, or beside Resume on Live), and look at the reward model's scores"
        )
    else:
        remedy = f"start a new one like it with a lower {setting}"
    return TrainingDivergedError(
        f"The {tensor} became NaN or infinite{where}, so training stopped before a step was taken "
        "with it, and the last checkpoint is whole. With the same settings the run would end here "
        f"again: {remedy}.",
        {
            "how": "diverged" if setting == "learning_rate" else "diverged_stage",
            "tensor": tensor,
            "part": part,
            "places": places,
            "setting": setting,
        },
    )


def _listed(found: Sequence[object]) -> str:
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"{', '.join(map(str, found[:NAMED]))}{more}"
