"""Held-out evaluation: what a policy writes for prompts that training never sees.

The prompts, and the sampling noise of each, are the same at every evaluation and in every run with
the same `eval_seed`, whatever the method, so a difference between two figures comes from the
policies. Scores are the scorer's own: the training penalty for unfinished answers is not applied,
their share is reported instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.errors import DataError
from drpo.modeling.models import Models
from drpo.modeling.scorers import Completion
from drpo.modeling.seeding import generator_for
from drpo.modeling.tokenization import TokenizedPair, tokenize_answers, tokenize_prompts
from drpo.rl.batches import (
    prompt_limit,
    sampling_of,
    written_ids,
)
from drpo.rl.completions import completion_of, gold_of, offline_completion
from drpo.rl.micro_batches import by_length, micro_batch
from drpo.rl.rollout import Rollout, finish
from drpo.rl.scoring import compared_scores
from drpo.types import Sample, known

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class MeasuredCompletions:
    """The answers of one evaluation with everything measured about each of them."""

    completions: list[Completion]
    scores: Float[Tensor, " batch"]
    gold: Float[Tensor, " batch"]
    kl: Float[Tensor, " batch"]
    """KL to the start policy, exact over the vocabulary at each step, summed, nats."""
    entropy: Float[Tensor, " batch"]
    """Mean entropy of the next-token distributions, nats."""


class HeldOut:
    """The fixed prompts and noise of a run's evaluations."""

    def __init__(self, models: Models, pairs: Sequence[Pair], config: RunConfig) -> None:
        self.models, self.config = models, config
        distinct = list({pair.prompt: pair for pair in pairs}.values())
        if not distinct:
            raise DataError(
                "There is no held-out prompt; expected at least one. Give a held-out file, or "
                "raise heldout_fraction."
            )
        self.pairs = distinct[: config.evaluation.eval_prompts]
        limit = prompt_limit(models, config)
        self.prompts = tokenize_prompts(models.vocabulary, self.pairs, limit)
        self.sampling = sampling_of(models, config, config.evaluation.eval_temperature)
        generator = generator_for(config.evaluation.eval_seed, 0, "evaluation")
        shape = (len(self.pairs), self.sampling.length)
        # One row of noise a pair, kept or left out, so that dropping a prompt moves no other.
        noise = torch.rand(shape, generator=generator, dtype=torch.float64)
        self.noise = noise[[prompt.item for prompt in self.prompts]]
        # Whole: nothing is reset into them, and a judge must not see an opponent cut short.
        self.offline = tokenize_answers(
            models.vocabulary, self.pairs, self.prompts, "chosen", models.context or 10**9
        )
        self._offline_scores: tuple[list[float], list[float]] | None = None

    def evaluate(
        self, step: int, *, weights: str = "", tick: Tick = lambda _done, _total: None
    ) -> tuple[dict[str, float], list[Sample]]:
        """Let the present policy answer, and measure the answers.

        Args:
            step: Policy updates done, for the samples.
            weights: Hash of the weights, for the samples.
            tick: Called with (answers drawn, answers in all).

        Returns:
            The metrics of an evaluation with standard errors; and samples for the first prompts.
        """
        measured = self.draw(self.models.policy, tick=tick)
        return figures(measured), self.samples(measured, step, weights)

    def draw(
        self, policy: nn.Module, *, tick: Tick = lambda _done, _total: None
    ) -> MeasuredCompletions:
        """Let any policy with this tokenizer answer the prompts under the fixed noise."""
        total = len(self.prompts)
        rollout = finish(
            policy,
            [p.prompt for p in self.prompts],
            [0] * total,
            self.sampling,
            self.noise,
            precision=self.models.precision,
            ranks=self.models.ranks,
            tick=lambda done: tick(done, total),
        )
        completions = [
            completion_of(
                self.models.vocabulary,
                self.pairs[prompt.item],
                prompt.prompt,
                written,
                finished=finished,
            )
            for prompt, written, finished in zip(
                self.prompts, written_ids(rollout), rollout.finished.tolist(), strict=True
            )
        ]
        return self._measure(policy, rollout, completions)

    def samples(self, measured: MeasuredCompletions, step: int, weights: str) -> list[Sample]:
        """Return the answers to the first prompts for reading, beside the chosen ones."""
        scores, gold = self._score_offline()
        kept = []
        for i in range(min(self.config.evaluation.sample_prompts, len(measured.completions))):
            completion, offline = measured.completions[i], self.offline[i]
            whole = self._offline_completion(offline)
            kept.append(
                Sample(
                    step=step,
                    kind="heldout",
                    item=offline.item,
                    start="prompt",
                    prompt=completion.prompt,
                    response=completion.text,
                    offline=whole.text,
                    offline_tokens=len(offline.answer),
                    response_tokens=len(completion.ids),
                    finished=completion.finished,
                    score=known(float(measured.scores[i])),
                    gold=known(float(measured.gold[i])),
                    kl=known(float(measured.kl[i])),
                    offline_score=known(scores[i]),
                    offline_gold=known(gold[i]),
                    weights=weights,
                )
            )
        return kept

    @torch.no_grad()
    def _measure(
        self, policy: nn.Module, rollout: Rollout, completions: list[Completion]
    ) -> MeasuredCompletions:
        temperature = self.sampling.temperature
        kl, entropy = torch.zeros(len(completions)), torch.zeros(len(completions))
        ranks = self.models.ranks
        chunks = by_length(rollout, self.config.ppo.rows_at_once, ranks=ranks.size)
        for rows in ranks.shares(chunks):
            part = micro_batch(rollout, rows)
            found = compared_scores(policy, self.models, part, temperature)
            counts = part.acted.sum(dim=1)
            kl[rows] = part.by_row(found.kl).sum(dim=1).cpu()
            entropy[rows] = (part.by_row(found.entropy).sum(dim=1) / counts).cpu()
        ranks.add(kl, entropy)
        scores = self.models.reward.score(completions)
        gold = gold_of(self.models.gold, completions)
        return MeasuredCompletions(completions, scores, gold, kl, entropy)

    def _offline_completion(self, pair: TokenizedPair) -> Completion:
        return offline_completion(self.models.vocabulary, self.pairs[pair.item], pair)

    def _score_offline(self) -> tuple[list[float], list[float]]:
        if self._offline_scores is None:
            count = min(self.config.evaluation.sample_prompts, len(self.offline))
            wholes = [self._offline_completion(t) for t in self.offline[:count]]
            scores = self.models.reward.score(wholes).tolist()
            self._offline_scores = (scores, gold_of(self.models.gold, wholes).tolist())
        return self._offline_scores


def figures(measured: MeasuredCompletions) -> dict[str, float]:
    """Return the means of an evaluation, with standard errors over prompts.

    Scores are averaged over the answers that have one: without facts a row has no gold score.
    """
    lengths = torch.tensor([float(len(a.ids)) for a in measured.completions])
    finished = torch.tensor([float(a.finished) for a in measured.completions])
    repeated = torch.tensor([repetition(a.ids) for a in measured.completions])
    texts = [a.text for a in measured.completions]
    values: dict[str, float] = {}
    for name, column in (
        (metrics.EVAL_SCORES, measured.scores[~measured.scores.isnan()]),
        (metrics.EVAL_GOLD, measured.gold[~measured.gold.isnan()]),
        (metrics.EVAL_KL, measured.kl),
        (metrics.EVAL_MEAN_LENGTH, lengths),
        (metrics.EVAL_FINISHED, finished),
        (metrics.EVAL_REPETITION, repeated),
        (metrics.EVAL_ENTROPY, measured.entropy),
    ):
        if len(column):
            values[name] = float(column.mean())
            values[metrics.error_of(name)] = standard_error(column)
    values[metrics.EVAL_DISTINCT_1] = distinct(1, [a.ids for a in measured.completions])
    values[metrics.EVAL_DISTINCT_2] = distinct(2, [a.ids for a in measured.completions])
    values[metrics.EVAL_IDENTICAL] = max(texts.count(text) for text in set(texts)) / len(texts)
    values[metrics.EVAL_PROMPTS] = float(len(texts))
    return values


def standard_error(column: Float[Tensor, " batch"]) -> float:
    """Return the standard error of a mean; 0 where there is one value only."""
    return float(column.std() / len(column) ** 0.5) if len(column) > 1 else 0.0


def distinct(n: int, answers: Sequence[tuple[int, ...]]) -> float:
    """Return the share of different n-grams among all n-grams of all answers.

    Source: Li et al. 2016, arXiv:1510.03055, section 5 (distinct-n).
    """
    grams = [gram for ids in answers for gram in _grams(n, ids)]
    return len(set(grams)) / len(grams) if grams else 0.0


def repetition(ids: tuple[int, ...]) -> float:
    """Return the share of an answer's 3-grams that it had already written."""
    grams = _grams(3, ids)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _grams(n: int, ids: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [ids[i : i + n] for i in range(len(ids) - n + 1)]
