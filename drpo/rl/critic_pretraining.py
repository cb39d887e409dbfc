"""Teach the critic, before the first update, what offline answers are worth from each token on.

A critic that begins as a copy of the policy has to learn how answers are judged from some dozen
fresh episodes an update, and never does. The offline answers are there already, and scoring them
takes nobody who writes: so the data are used once more. A prefix of an offline answer is also just
the state that a reset leads into.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.modeling.models import Models
from drpo.modeling.seeding import generator_for
from drpo.modeling.tokenization import TokenizedPair
from drpo.rl.batches import Episodes, offline_answers, sampling_of
from drpo.rl.credit import Credit, OldPolicyStats, returns_to_go
from drpo.rl.critic_updates import follow_returns, learn_critic
from drpo.rl.micro_batches import by_length
from drpo.rl.optimizer import set_step_size
from drpo.rl.rewards import penalise_unfinished, shape_rewards
from drpo.rl.rollout import Rollout, pack
from drpo.types import Observer

STAGE = "critic pretraining"
SCORED_AT_ONCE = 256
"""Answers between two looks at whether somebody asked to stop."""


def pretrain_critic(
    models: Models,
    episodes: Episodes,
    optimizer: torch.optim.Optimizer,
    config: RunConfig,
    observer: Observer,
) -> bool:
    """Let the critic learn from the run's offline answers, `critic_pretraining_epochs` times each.

    Its step size falls to zero on a line meanwhile. Adam's averages stay for the updates.

    Args:
        models: Whose critic changes; without one nothing is done.
        episodes: Whose data are taken: chosen and rejected answers of every prompt.
        optimizer: The run's own.
        config: The run.
        observer: Hears how far it is and what share of the variance was foreseen, and may stop it.

    Returns:
        False where somebody asked to stop: half of it is no state to go on from.

    Raises:
        TrainingDivergedError: A score, loss or gradient is not finite.
    """
    epochs = config.critic.critic_pretraining_epochs
    if models.critic is None or epochs == 0:
        return True
    answers = offline_answers(episodes, ("chosen", "rejected"))
    scores = _scores(models, episodes, answers, config, observer)
    if scores is None:
        return False
    if config.critic.critic_scaling:
        # Without a discount every token's return is its answer's score.
        lengths = torch.tensor([len(answer.answer) for answer in answers], device=scores.device)
        returns = scores.repeat_interleave(lengths)[None]
        follow_returns(models.critic, returns, torch.ones_like(returns).bool(), first=True)
    batches = _batches(len(answers), epochs, config)
    losses: list[float] = []
    for done, rows in enumerate(batches):
        observer.progress(STAGE, done, len(batches))
        if models.ranks.first(observer.should_stop):
            return False
        set_step_size(optimizer, config, 0, critic_share=1 - done / len(batches))
        part = [answers[row] for row in rows]
        losses.append(_learn(models, optimizer, part, scores[rows], config))
    _tell(models, observer, len(answers), losses[: math.ceil(len(answers) / len(batches[0]))])
    return True


def _scores(
    models: Models,
    episodes: Episodes,
    answers: Sequence[TokenizedPair],
    config: RunConfig,
    observer: Observer,
) -> Float[Tensor, " answers"] | None:
    """Score the answers as the run scores episodes; None where somebody asked to stop."""
    scores: list[float] = []
    for begin in range(0, len(answers), SCORED_AT_ONCE):
        observer.progress("scoring offline answers", begin, len(answers))
        if models.ranks.first(observer.should_stop):
            return None
        part = answers[begin : begin + SCORED_AT_ONCE]
        scores += [score for score, _ in episodes.offline_scores(part)]
    finished = [answer.answer[-1] in models.vocabulary.stops for answer in answers]
    return penalise_unfinished(
        torch.tensor(scores, device=models.precision.device),
        torch.tensor(finished, device=models.precision.device),
        config.sampling.missing_eos_penalty,
        replace=config.sampling.missing_eos == "replace",
    )


def _batches(answers: int, epochs: float, config: RunConfig) -> list[list[int]]:
    """Cut the passes into steps of as many answers as a step of the critic has in an update."""
    steps = config.critic.critic_mini_batches or config.ppo.num_mini_batches
    size = max(1, config.ppo.episodes_per_update // steps)
    generator = generator_for(config.run.seed, 0, STAGE)
    rows: list[int] = []
    while len(rows) < epochs * answers:
        rows += torch.randperm(answers, generator=generator).tolist()
    rows = rows[: math.ceil(epochs * answers)]
    return [rows[begin : begin + size] for begin in range(0, len(rows), size)]


def _as_experience(
    models: Models,
    answers: Sequence[TokenizedPair],
    scores: Float[Tensor, " answers"],
    config: RunConfig,
) -> tuple[Rollout, Credit]:
    """Lay offline answers out as if the policy had written them, at no cost in KL."""
    sampling = sampling_of(models, config, config.sampling.temperature)
    rollout = pack([a.prompt for a in answers], [a.answer for a in answers], sampling)
    rollout = rollout.to(models.precision.device)
    rewards = shape_rewards(scores, torch.zeros(rollout.acted.shape), rollout.acted, 0.0)
    returns = returns_to_go(rewards, rollout.acted, config.ppo.gamma)
    return rollout, Credit(torch.zeros_like(returns), returns)


def _learn(
    models: Models,
    optimizer: torch.optim.Optimizer,
    answers: Sequence[TokenizedPair],
    scores: Float[Tensor, " answers"],
    config: RunConfig,
) -> float:
    """Take one step of the critic; returns its loss before, in spreads of the returns."""
    rollout, credit = _as_experience(models, answers, scores, config)
    none = torch.zeros_like(credit.returns)
    old = OldPolicyStats(none, none, none, none, none)
    # There is no older critic to stay near.
    free = config.replace(cliprange_value=1e9)
    chunks = by_length(rollout, config.ppo.rows_at_once, ranks=models.ranks.size)
    learned = learn_critic(models, optimizer, rollout, old, credit, [chunks], free)
    return learned[metrics.LOSS_VALUE_AVG]


def _tell(models: Models, observer: Observer, answers: int, losses: Sequence[float]) -> None:
    """Say how much the critic foresaw of answers it had not seen, towards the end of a pass."""
    figures: dict[str, float] = {"answers": answers}
    message = f"critic pretrained on {answers:,} offline answers"
    if models.critic is not None and float(models.critic.spread) != 1.0:
        # In spreads the variance of the returns is 1, and the loss is half the squared error.
        last = losses[-math.ceil(len(losses) / 5) :]
        figures["explained_variance"] = 1 - 2 * sum(last) / len(last)
        message += f", of unseen ones it explains {figures['explained_variance']:.0%}"
    observer.event(0, "stage", message + ".", {"stage": "critic", "figures": figures})
