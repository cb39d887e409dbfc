"""Baselines on the same footing: same held-out prompts, same sampling noise, same scorers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.modeling.interrupt import stops_between_passes
from drpo.modeling.models import Models
from drpo.modeling.scorers import Completion, Scorer
from drpo.modeling.seeding import generator_for
from drpo.rl.heldout import HeldOut, MeasuredCompletions, figures, standard_error
from drpo.types import Observer


def compare(
    models: Models, trained: str, heldout: Sequence[Pair], config: RunConfig, observer: Observer
) -> None:
    """Measure the start policy at step 0 and a trained one at step 1.

    Args:
        models: The start policy and the scorers, as loaded to evaluate; the trained policy takes
            its place.
        trained: Folder of the trained policy.
        heldout: Pairs to measure on.
        config: The run.
        observer: Told both.
    """
    held = HeldOut(models, heldout, config)
    for step in (0, 1):
        if step:
            models.answer_as(trained)
        with stops_between_passes(models.networks(), observer.should_stop, models.ranks):
            values, samples = held.evaluate(
                step,
                weights=models.weights_hash(),
                tick=lambda done, total: observer.progress("evaluation", done, total),
            )
        observer.metrics(step, values)
        observer.samples(samples)


def best_of_n(
    models: Models, heldout: Sequence[Pair], config: RunConfig, observer: Observer
) -> None:
    """Draw n answers a prompt from the start policy and keep the one the scorer likes best.

    The first draw uses the noise of every evaluation, so step 0 is the start policy itself.
    """
    n, held = config.stages.best_of_n, HeldOut(models, heldout, config)
    weights = models.weights_hash()
    with stops_between_passes(models.networks(), observer.should_stop, models.ranks):
        first = held.draw(models.policy)
        observer.metrics(0, figures(first))
        observer.samples(held.samples(first, 0, weights))
        best = draw_best(held, n, first, lambda done: observer.progress("best of n", done, n))
    observer.metrics(1, figures(best) | kl_bound(n))
    observer.samples(held.samples(best, 1, weights))


def kl_bound(n: int) -> dict[str, float]:
    """KL of the best of n answers: the known bound log n - (n - 1)/n, which has no error.

    The kept answers' own distribution cannot be read off any network.

    Source: Stiennon et al. 2020, arXiv:2009.01325, appendix G.3; Beirami et al. 2024,
    arXiv:2401.01879, shows that it is an upper bound.
    """
    bound = math.log(n) - (n - 1) / n
    return {metrics.EVAL_KL: bound, metrics.error_of(metrics.EVAL_KL): 0.0}


def draw_best(
    held: HeldOut, n: int, first: MeasuredCompletions, tick: Callable[[int], None]
) -> MeasuredCompletions:
    """Keep the best of n answers of the present policy to each held-out prompt.

    Args:
        held: Prompts and noise; left as they were found.
        n: Answers a prompt.
        first: The policy's answers under the evaluation's own noise. They count as one of the n,
            unless evaluation is greedy: n greedy answers are one answer n times, so all are drawn
            at the temperature of training then.
        tick: Told how many are drawn.
    """
    noise, sampling = held.noise, held.sampling
    drawn = [first]
    if sampling.temperature == 0:
        drawn = []
        held.sampling = replace(sampling, temperature=held.config.sampling.temperature)
    for number in range(len(drawn), n):
        tick(number)
        generator = generator_for(held.config.evaluation.eval_seed, number, "evaluation")
        held.noise = torch.rand(noise.shape, generator=generator, dtype=torch.float64)
        drawn.append(held.draw(held.models.policy))
    held.noise, held.sampling = noise, sampling
    return best_of(drawn)


def best_of(drawn: Sequence[MeasuredCompletions]) -> MeasuredCompletions:
    """Keep each prompt's answer with the highest score; the earlier one of equals."""
    scores = torch.stack([one.scores for one in drawn])
    winner = scores.argmax(dim=0).tolist()
    rows = range(len(winner))

    def pick(name: str) -> torch.Tensor:
        return torch.stack([getattr(drawn[winner[row]], name)[row] for row in rows])

    return MeasuredCompletions(
        completions=[drawn[winner[row]].completions[row] for row in rows],
        scores=pick("scores"),
        gold=pick("gold"),
        kl=pick("kl"),
        entropy=pick("entropy"),
    )


def accuracy_of(scorer: Scorer, pairs: Sequence[Pair], models: Models) -> tuple[float, float]:
    """How often a scorer prefers the chosen answer, ties counted half, and its standard error."""
    vocabulary = models.vocabulary
    prompts = [pair.asked for pair in pairs]
    scores = []
    for texts in ([pair.chosen for pair in pairs], [pair.rejected for pair in pairs]):
        completions = []
        for row, prompt, text in zip(vocabulary.rows(prompts, texts), prompts, texts, strict=True):
            ids, start = vocabulary.fits(row, models.context)
            completions.append(
                Completion(
                    tuple(ids[:start]),
                    tuple(ids[start:]),
                    prompt.text,
                    text,
                    finished=True,
                    asked=prompt,
                )
            )
        scores.append(scorer.score(completions))
    difference = scores[0] - scores[1]
    right = (difference > 0).float() + 0.5 * (difference == 0).float()
    return float(right.mean()), standard_error(right)
