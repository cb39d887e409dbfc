"""Where the policy's own answers come from: a run's updates, or draws before the first one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.modeling.models import Models
from drpo.modeling.scorers import Completion, GoldScores
from drpo.modeling.seeding import generator_for
from drpo.rl.batches import Episodes, sampling_of
from drpo.rl.checkpoint import TrainState
from drpo.rl.metrics import Update
from drpo.rl.own_answers import (
    OWN,
    OwnAnswer,
    OwnAnswers,
    finder_of,
    right_by_critic,
    right_by_gold,
)
from drpo.rl.resets import Start
from drpo.rl.rewards import penalise_unfinished
from drpo.rl.rollout import finish
from drpo.types import Observer

STAGE = "own answers"
DRAWN_AT_ONCE = 256
"""Answers between two looks at whether somebody asked to stop."""


def keep_from_update(own: OwnAnswers, update: Update, models: Models) -> None:
    """Keep those of an update's answers that the run resets into."""
    if own.config.reset.reset_source not in OWN:
        return
    values = None if update.old.values is None else update.old.values.tolist()
    rows = zip(update.starts, update.completions, update.scores.tolist(), strict=True)
    for row, (start, answer, score) in enumerate(rows):
        if own.wanted(start, score, finished=answer.finished):
            foreseen = None if values is None else values[row][: len(answer.ids) - start.prefix]
            kept = _kept(own.config, models, answer, score, foreseen)
            own.keep(start.pair.item, kept)


def _kept(
    config: RunConfig,
    models: Models,
    answer: Completion,
    score: float,
    values: Sequence[float] | None,
) -> OwnAnswer:
    """Describe an answer, with what is known of its first wrong token at once."""
    low, high = 0, len(answer.ids) - 1
    finder = finder_of(config)
    if finder == "account":
        assert isinstance(models.gold, GoldScores), "a run on the gold score has one"
        low = high = right_by_gold(models.gold.gold, models.vocabulary, answer)
    elif finder == "critic" and values is not None:
        low = high = right_by_critic(values, score)
    return OwnAnswer(answer.ids, answer.finished, low, high)


def draw_successes(state: TrainState, episodes: Episodes, observer: Observer) -> bool:
    """Let the start policy answer before the run, and keep what succeeds: rejection sampling.

    Args:
        state: The run's; takes what is kept, and counts what was written.
        episodes: The run's data; `reset_draws` of its prompts, in a shuffled order and over again
            where there are fewer.
        observer: Hears how far it is and may stop it.

    Returns:
        False where somebody asked to stop: half of it is no state to go on from.

    Source: arXiv:2601.18795, where answers of the base model are drawn until some are right.
    """
    config, own = episodes.config, state.curriculum.own
    if config.reset.reset_source != "successes" or not config.resets_possible:
        return True
    for done, starts in _blocks(episodes):
        observer.progress(STAGE, done, config.reset.reset_draws)
        if episodes.models.ranks.first(observer.should_stop):
            return False
        answers, scores = answered_by_start(episodes, starts, STAGE, done)
        for start, answer, score in zip(starts, answers, scores, strict=True):
            if own.wanted(start, score, finished=answer.finished):
                own.keep(start.pair.item, OwnAnswer(answer.ids, answer.finished))
        state.num_tokens += sum(len(answer.ids) for answer in answers)
    if config.reset.reset_draws:
        figures = {"drawn": config.reset.reset_draws, "kept": len(own)}
        told = f"{config.reset.reset_draws:,} answers drawn before the run, {len(own):,} kept."
        observer.event(0, "stage", told, {"stage": "own_answers", "figures": figures})
        observer.metrics(0, {metrics.NUM_TOKENS: float(state.num_tokens)})
    return True


def answered_by_start(
    episodes: Episodes, starts: Sequence[Start], purpose: str, number: int
) -> tuple[list[Completion], list[float]]:
    """Let the start policy go on from some starts, and score the answers as training does.

    Args:
        episodes: The run's data and models.
        starts: Where to begin.
        purpose: What the draws are for, with `number` telling one block of them from another.
        number: See there.
    """
    config, models = episodes.config, episodes.models
    sampling = sampling_of(models, config, config.sampling.temperature)
    generator = generator_for(config.run.seed, number, purpose)
    noise = torch.rand(len(starts), sampling.length, generator=generator, dtype=torch.float64)
    with models.start_policy() as policy:
        rollout = finish(
            policy,
            [start.context for start in starts],
            [start.prefix for start in starts],
            sampling,
            noise,
            precision=models.precision,
            ranks=models.ranks,
        )
    answers = episodes.completions(starts, rollout)
    scores = penalise_unfinished(
        models.reward.score(answers),
        rollout.finished.cpu(),
        config.sampling.missing_eos_penalty,
        replace=config.sampling.missing_eos == "replace",
    )
    return answers, [float(score) for score in scores]


def _blocks(episodes: Episodes) -> Iterator[tuple[int, list[Start]]]:
    """The prompts to draw from, block by block, each with how many were before."""
    count, rows = episodes.config.reset.reset_draws, len(episodes.prompts)
    generator = generator_for(episodes.config.run.seed, 0, "own answers' prompts")
    order = torch.randperm(rows, generator=generator).tolist()
    for begin in range(0, count, DRAWN_AT_ONCE):
        places = range(begin, min(begin + DRAWN_AT_ONCE, count))
        yield begin, [Start(episodes.prompts[order[at % rows]], reset=False) for at in places]
