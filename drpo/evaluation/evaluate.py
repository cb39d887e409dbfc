"""Evaluate finished runs on the same footing, whatever their method.

All runs answer the same held-out prompts under the same sampling noise, are scored by the same
reward model and gold score, and meet the same opponents: the start policy, the data's chosen
answers, and each other. Results are kept in the store, so that screens show them without a model.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.data.gold_reward import Gold
from drpo.data.pairs import Pair
from drpo.data.quality.near_duplicates import normalise
from drpo.errors import DataError
from drpo.evaluation.baselines import draw_best, kl_bound
from drpo.evaluation.frontier import Frontier, frontier
from drpo.evaluation.judges import Judge, Match, ScoredAnswer, recorded_judge
from drpo.evaluation.policies import Contestant
from drpo.evaluation.results import Duel, Evaluated, Evaluation, Row, keep_duels, keep_evaluated
from drpo.evaluation.winrate import WinRate, play
from drpo.modeling.models import Models, load_to_evaluate
from drpo.modeling.scorers import Completion
from drpo.rl.completions import gold_of, offline_completion
from drpo.rl.heldout import HeldOut, MeasuredCompletions, figures, standard_error
from drpo.stats.text_overlap import RougeL
from drpo.store import Store
from drpo.types import known

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for all: None takes the first run's own setting."""

    prompts: int | None = None
    temperature: float | None = None
    seed: int | None = None


def evaluate(
    store: Store | None,
    contestants: Sequence[Contestant],
    *,
    terms: Terms | None = None,
    judges: Sequence[Judge] = (),
    progress: Progress = lambda _what, _done, _total: None,
) -> Evaluation:
    """Evaluate policies side by side and keep the results.

    Args:
        store: Where data sets are looked up and results kept; None keeps nothing.
        contestants: What to evaluate; the first one's held-out prompts, lengths, reward model and
            gold score serve for all.
        terms: Settings other than the first run's.
        judges: Further judges, beside the reward model and the gold score.
        progress: Told what is being done, how much of it, of how much.

    Raises:
        DataError: Too few held-out prompts are left that no other contestant was trained on.
    """
    first = contestants[0]
    pairs, gold = _common_prompts(store, contestants)
    settings = _settings(first, terms or Terms())
    evaluated: list[Evaluated] = []
    said = _terms_of(settings, first)
    for one in contestants:
        evaluated.append(_evaluate_one(one, first, settings, pairs, gold, judges, progress))
        if store is not None:
            keep_evaluated(store, evaluated[-1], said)
    duels = _duels(evaluated, judges)
    frontiers: tuple[Frontier, ...] = ()
    if store is not None:
        keep_duels(store, duels)
        run_ids = dict.fromkeys(one.run_id for one in contestants)
        frontiers = tuple(frontier(store, run_id) for run_id in run_ids)
    return Evaluation(said, tuple(evaluated), tuple(duels), frontiers)


def _common_prompts(
    store: Store | None, contestants: Sequence[Contestant]
) -> tuple[list[Pair], Gold | None]:
    """The first contestant's held-out pairs, less those whose prompt another was trained on."""
    own = contestants[0].run_data(store)
    trained: set[str] = set()
    seen = [contestants[0].division]
    for other in contestants[1:]:
        if other.division not in seen:
            seen.append(other.division)
            theirs = other.run_data(store)
            # As in training: resets into demonstrations count, and spelling does not.
            trained |= {normalise(pair.prompt) for pair in (*theirs.train, *theirs.demonstrations)}
    pairs = [pair for pair in own.heldout if normalise(pair.prompt) not in trained]
    if len(pairs) < 2:
        raise DataError(
            f"Of {len(own.heldout)} held-out prompts of {contestants[0].run_id}, the other runs "
            f"were trained on {len(own.heldout) - len(pairs)}; expected at least 2 that nobody "
            "was trained on. Compare runs of the same data, or give them one held-out file."
        )
    return pairs, own.gold


def _settings(first: Contestant, terms: Terms) -> RunConfig:
    wanted = {
        "eval_prompts": terms.prompts,
        "eval_temperature": terms.temperature,
        "eval_seed": terms.seed,
    }
    changed = {name: value for name, value in wanted.items() if value is not None}
    return first.config.replace(
        long_prompts="drop",
        reward_source="gold" if first.reward_model is None else "model",
        **changed,
    )


def _evaluate_one(
    one: Contestant,
    first: Contestant,
    settings: RunConfig,
    pairs: Sequence[Pair],
    gold: Gold | None,
    judges: Sequence[Judge],
    progress: Progress,
) -> Evaluated:
    progress(f"loading {one.key}", 0, 0)
    # Each reads prompts as it was trained to; what judges them reads all of them alike.
    reads = one.config.data
    models = load_to_evaluate(
        settings.replace(prompt_format=reads.prompt_format, chat_template=reads.chat_template),
        start=one.origin,
        reward_model=first.reward_model,
        gold=gold,
        reward=first.reward,
        reward_format=settings.data.prompt_format,
    )
    held = HeldOut(models, pairs, settings)
    start = held.draw(models.policy, tick=lambda done, total: progress("start policy", done, total))
    if one.policy != one.origin:
        models.answer_as(one.policy)
    drawn = start
    if one.policy != one.origin or one.draws > 1:
        drawn = _draw(models, held, one, start, progress)
    rows = _rows(models, held, drawn, start)
    values = _figures(drawn, rows)
    if one.draws > 1:
        values |= kl_bound(one.draws)
    return Evaluated(
        contestant=one,
        figures=_shortened(values),
        start_figures=_shortened(_figures(start, [replace(row, policy=row.start) for row in rows])),
        rows=tuple(rows),
        weights=models.weights_hash(),
        win_rates=tuple(_opponents(rows, pairs, judges)),
    )


def _draw(
    models: Models, held: HeldOut, one: Contestant, start: MeasuredCompletions, progress: Progress
) -> MeasuredCompletions:
    """Answers under the evaluation's noise; best-of-n draws further ones from noise of its own."""
    if one.draws == 1:
        return held.draw(models.policy, tick=lambda done, total: progress(one.key, done, total))
    return draw_best(held, one.draws, start, lambda done: progress(one.key, done, one.draws))


def _rows(
    models: Models, held: HeldOut, drawn: MeasuredCompletions, start: MeasuredCompletions
) -> list[Row]:
    offline = [offline_completion(models.vocabulary, held.pairs[t.item], t) for t in held.offline]
    # Where the scores are the gold ones, no learned score is known.
    learned = models.reward is not models.gold
    chosen = _answers(
        offline,
        models.reward.score(offline).tolist(),
        gold_of(models.gold, offline).tolist(),
        learned=learned,
    )
    policy, before = (
        _answers(one.completions, one.scores.tolist(), one.gold.tolist(), learned=learned)
        for one in (drawn, start)
    )
    return [
        Row(held.pairs[prompt.item].prompt, prompt.item, mine, theirs, reference, kl)
        for prompt, mine, theirs, reference, kl in zip(
            held.prompts, policy, before, chosen, drawn.kl.tolist(), strict=True
        )
    ]


def _answers(
    completions: Sequence[Completion],
    scores: Sequence[float],
    gold: Sequence[float],
    *,
    learned: bool,
) -> list[ScoredAnswer]:
    return [
        ScoredAnswer(
            answer.text,
            answer.finished,
            known(score) if learned else None,
            known(true),
        )
        for answer, score, true in zip(completions, scores, gold, strict=True)
    ]


def _figures(drawn: MeasuredCompletions, rows: Sequence[Row]) -> dict[str, float]:
    rouge = RougeL()
    overlap = torch.tensor([rouge(row.policy.text, row.chosen.text) for row in rows])
    return figures(drawn) | {
        metrics.EVAL_ROUGE_L: float(overlap.mean()),
        metrics.error_of(metrics.EVAL_ROUGE_L): standard_error(overlap),
    }


def _shortened(values: dict[str, float]) -> dict[str, float]:
    return {metrics.short(name): value for name, value in values.items()}


def _judges(matches: Sequence[Match], further: Sequence[Judge]) -> list[Judge]:
    """The reward model and the gold score where all answers have theirs, and the further judges."""
    judges: list[Judge] = []
    sides = [answer for match in matches for answer in (match.a, match.b)]
    if all(answer.score is not None for answer in sides):
        judges.append(recorded_judge("score"))
    if all(answer.gold is not None for answer in sides):
        judges.append(recorded_judge("gold"))
    return [*judges, *further]


def _opponents(
    rows: Sequence[Row], pairs: Sequence[Pair], judges: Sequence[Judge]
) -> list[tuple[str, WinRate]]:
    facts = {pair.prompt: pair.facts for pair in pairs}
    against = {
        "start": [Match(row.prompt, row.policy, row.start, facts[row.prompt]) for row in rows],
        "chosen": [Match(row.prompt, row.policy, row.chosen, facts[row.prompt]) for row in rows],
    }
    return [
        (opponent, play(judge, matches))
        for opponent, matches in against.items()
        for judge in _judges(matches, judges)
    ]


def _duels(evaluated: Sequence[Evaluated], judges: Sequence[Judge]) -> list[Duel]:
    """Every pair of contestants on the prompts that both answered; the later one is the subject."""
    duels = []
    for other, subject in itertools.combinations(evaluated, 2):
        theirs = {row.prompt: row for row in other.rows}
        both = [row for row in subject.rows if row.prompt in theirs]
        matches = [Match(row.prompt, row.policy, theirs[row.prompt].policy) for row in both]
        duels += [
            (subject.contestant.key, other.contestant.key, play(judge, matches))
            for judge in _judges(matches, judges)
        ]
    return duels


def _terms_of(settings: RunConfig, first: Contestant) -> dict[str, Any]:
    return {
        "prompts": settings.evaluation.eval_prompts,
        "temperature": settings.evaluation.eval_temperature,
        "seed": settings.evaluation.eval_seed,
        "response_length": settings.sampling.response_length,
        "data": settings.data.heldout or settings.data.data,
        "reward_model": first.reward_model,
    }
