"""Time of one real update, part by part, through the functions that training calls."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

import drpo
from benchmarks.gpu.ceilings import Ceilings, decoding_bytes, synchronize, work_of
from benchmarks.gpu.material import Shape
from drpo import metrics
from drpo.modeling.models import Models
from drpo.rl.batches import prepare_episodes
from drpo.rl.checkpoint import TrainState
from drpo.rl.credit import assign_credit
from drpo.rl.critic_updates import critic_minibatches, learn_critic, prepare_critic
from drpo.rl.experience import Experience, collect
from drpo.rl.metrics import Clock
from drpo.rl.minibatches import split_minibatches
from drpo.rl.optimizer import set_step_size
from drpo.rl.ppo import learn, old_policy_stats
from drpo.types import Observer


class Nobody(Observer):
    """Listens to nothing and asks for nothing."""


@dataclass(frozen=True)
class Drawn:
    """Episodes, and seconds until they were written and until their answers were scored."""

    experience: Experience
    writing: float
    rewarding: float


def draw(
    models: Models, pairs: Sequence[drpo.Pair], config: drpo.RunConfig, step: int = 1
) -> Drawn:
    """Draw the episodes of an update as training does."""
    episodes = prepare_episodes(models, pairs, config, observer=Nobody())
    clock = Clock()
    found = collect(models, episodes, config, step, config.reset.reset_prob, clock)
    took = clock.seconds
    return Drawn(found, took[metrics.TIMING_S_ROLLOUT], took[metrics.TIMING_S_SCORING])


def improve(
    models: Models, drawn: Experience, state: TrainState, config: drpo.RunConfig, step: int = 1
) -> dict[str, float]:
    """What training does with the episodes of an update once they are drawn.

    Returns:
        Seconds of scoring, of the policy's learning, and of the critic's where there is one.
    """
    laps = Laps(models.precision.device)
    rollout, kl_coef, living = drawn.rollout, config.kl.kl_coef, drawn.living(config)
    set_step_size(state.optimizer, config, step)
    epochs = split_minibatches(rollout, config, step, living)
    old = old_policy_stats(models, rollout, epochs, config)
    credit = assign_credit(drawn.scores, old, rollout.acted, config, kl_coef)
    if models.critic is not None:
        old = prepare_critic(models, state.optimizer, rollout, old, credit, config, step)
        credit = assign_credit(drawn.scores, old, rollout.acted, config, kl_coef)
    laps.lap("score")
    learn(models, state.optimizer, rollout, old, credit, epochs, config, kl_coef)
    laps.lap("policy")
    if models.critic is not None:
        cuts = critic_minibatches(rollout, config, step, living)
        learn_critic(models, state.optimizer, rollout, old, credit, cuts, config)
        laps.lap("critic")
    return laps.seconds


class Laps:
    """Seconds by part, each with all that it left the device to do."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}
        synchronize(device)
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Keep the time since the last lap."""
        synchronize(self.device)
        now = time.perf_counter()
        self.seconds[name], self._last = now - self._last, now


def writing_rates(
    models: Models, shape: Shape, ceilings: Ceilings, drawn: Drawn, width: int
) -> dict[str, float]:
    """How fast answers were written, and against the least time that reading memory takes."""
    written = drawn.experience.rollout.acted.sum(dim=1).tolist()
    contexts = [len(start.context) for start in drawn.experience.starts]
    read = decoding_bytes(models.policy, shape, contexts, written, width)
    # Prompts are multiplied, not read one after the other; one row of logits each.
    prefill = work_of(shape, contexts, len(contexts)).forward
    least = read / ceilings.copied + prefill / ceilings.multiplied
    steps = -(-len(contexts) // width) * max(written)
    return {
        "mean_context": sum(contexts) / len(contexts),
        "written": sum(written),
        "seconds": drawn.writing,
        "tokens_per_s": sum(written) / drawn.writing,
        "ms_per_step": 1000 * drawn.writing / steps,
        "of_floor": least / drawn.writing,
        "reward_seconds": drawn.rewarding,
    }


def learning_rates(
    models: Models,
    shape: Shape,
    ceilings: Ceilings,
    drawn: Experience,
    took: dict[str, float],
) -> dict[str, float]:
    """Tokens a second, and operations a second over what a large matrix product reaches."""
    lengths = drawn.rollout.real.sum(dim=1).tolist()
    acted, most = int(drawn.rollout.acted.sum()), ceilings.multiplied
    policy = work_of(shape, lengths, acted, adapters=_trained(models, "policy."))
    critic = work_of(shape, lengths, acted, head=False, adapters=_trained(models, "critic."))
    # By policy and start policy; by the critic where there is one.
    scored = 2 * policy.forward + (critic.forward if models.critic is not None else 0.0)
    tokens = sum(lengths)
    found = {
        "tokens": tokens,
        "score_tokens_per_s": tokens / took["score"],
        "score_of_ceiling": scored / took["score"] / most,
        "policy_tokens_per_s": tokens / took["policy"],
        "policy_of_ceiling": policy.learning_adapters / took["policy"] / most,
        "policy_mfu": policy.learning_all / took["policy"] / most,
    }
    if "critic" in took:
        found |= {
            "critic_tokens_per_s": tokens / took["critic"],
            "critic_of_ceiling": critic.learning_adapters / took["critic"] / most,
        }
    return found


def _trained(models: Models, part: str) -> float:
    sizes = (w.numel() for name, w in models.trained().items() if name.startswith(part))
    return float(sum(sizes))
