"""The same update on the processor and on another device: the same losses and gradients?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

import drpo
from benchmarks.gpu.update import Nobody
from drpo.modeling.models import Models, load_models
from drpo.rl.batches import prepare_episodes
from drpo.rl.credit import assign_credit
from drpo.rl.critic_updates import critic_gradients
from drpo.rl.experience import Experience, collect
from drpo.rl.metrics import Clock
from drpo.rl.minibatches import split_minibatches
from drpo.rl.ppo import old_policy_stats, policy_gradients


@dataclass(frozen=True)
class Measured:
    """What one update came to on one device, brought to the processor."""

    actions: Tensor
    log_probs: Tensor
    values: Tensor
    losses: dict[str, float]
    gradients: dict[str, Tensor]


@dataclass(frozen=True)
class Parity:
    """How far a device is from the processor: lengths of differences over lengths."""

    same_actions: float
    """Share of drawn tokens that are the same under the same noise."""
    log_probs: float
    values: float
    loss: float
    """Largest difference of a loss, over its size."""
    gradients: float
    """Of all gradients as one vector."""
    worst: tuple[str, float]
    """The weight whose gradient is farthest away, and how far, over the mean size of gradients."""

    def __str__(self) -> str:
        return (
            f"tokens alike {self.same_actions:.1%}, log-probabilities {self.log_probs:.1e}, values "
            f"{self.values:.1e}, losses {self.loss:.1e}, gradients {self.gradients:.1e} "
            f"(worst {self.worst[1]:.1e}: {self.worst[0]})"
        )


def compare_devices(
    config: drpo.RunConfig, pairs: Sequence[drpo.Pair], device: str, dtype: str
) -> Parity:
    """Draw episodes on the processor in float32, and measure one update of them on both devices.

    Args:
        config: The run; its device and number format are replaced.
        pairs: What it trains on.
        device: The other device.
        dtype: Its number format.
    """
    plain = config.replace(device="cpu", dtype="float32")
    models = _models(plain)
    drawn = _draw(models, pairs, plain)
    ours = _measure(models, drawn, plain)
    other = config.replace(device=device, dtype=dtype)
    models = _models(other)
    again = _draw(models, pairs, other)
    theirs = _measure(models, drawn, other)
    one, two = drawn.rollout.actions, again.rollout.actions.cpu()
    time = min(one.shape[1], two.shape[1])
    alike = (one[:, :time] == two[:, :time])[drawn.rollout.acted[:, :time]]
    return Parity(
        same_actions=float(alike.float().mean()),
        log_probs=apart(theirs.log_probs, ours.log_probs),
        values=apart(theirs.values, ours.values),
        loss=max(
            abs(theirs.losses[name] - loss) / max(abs(loss), 1e-3)
            for name, loss in ours.losses.items()
        ),
        gradients=apart(_one_vector(theirs.gradients), _one_vector(ours.gradients)),
        worst=_worst(theirs.gradients, ours.gradients),
    )


def apart(got: Tensor, wanted: Tensor) -> float:
    """The length of the difference over the length of what was wanted."""
    return float((got.double() - wanted.double()).norm() / wanted.double().norm().clamp(min=1e-30))


def _models(config: drpo.RunConfig) -> Models:
    models = load_models(config)
    assert models.critic is not None, "measured with a critic"
    # A head of zeros, as a critic begins, would hide what its backbone does.
    head = models.critic.head.weight
    drawn = torch.randn(head.shape, generator=torch.Generator().manual_seed(3))
    head.data.copy_(drawn / head.shape[1] ** 0.5)
    return models


def _draw(models: Models, pairs: Sequence[drpo.Pair], config: drpo.RunConfig) -> Experience:
    episodes = prepare_episodes(models, pairs, config, observer=Nobody())
    return collect(models, episodes, config, 0, config.reset.reset_prob, Clock())


def _measure(models: Models, drawn: Experience, config: drpo.RunConfig) -> Measured:
    device = models.precision.device
    rollout, scores = drawn.rollout.to(device), drawn.scores.to(device)
    epochs = split_minibatches(rollout, config, 0)
    old = old_policy_stats(models, rollout, epochs, config)
    credit = assign_credit(scores, old, rollout.acted, config, config.kl.kl_coef)
    minibatch = epochs[0][0]
    assert models.critic is not None, "measured with a critic"
    assert old.values is not None, "a critic foresees values"
    with models.learning():
        policy = policy_gradients(
            models, rollout, old, credit, minibatch, config, config.kl.kl_coef
        )
        value = critic_gradients(models.critic, models, rollout, old, credit, minibatch, config)
    return Measured(
        actions=rollout.actions.cpu(),
        log_probs=old.log_probs.cpu(),
        values=old.values.cpu(),
        losses={
            "policy": policy["policy_loss"] / policy["tokens"],
            "value": value["loss"] / policy["tokens"],
        },
        gradients={
            name: weight.grad.detach().float().cpu()
            for name, weight in models.trained().items()
            if weight.grad is not None
        },
    )


def _one_vector(gradients: dict[str, Tensor]) -> Tensor:
    return torch.cat([gradients[name].flatten() for name in sorted(gradients)])


def _worst(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> tuple[str, float]:
    usual = sum(float(one.norm()) for one in wanted.values()) / len(wanted)
    far = {name: float((got[name] - one).norm()) / usual for name, one in wanted.items()}
    name = max(far, key=lambda one: far[one])
    return name, far[name]
