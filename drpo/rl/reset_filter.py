"""Which offline answers may be reset into: all, or the better part by a figure of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from drpo.config.run_config import RunConfig
from drpo.errors import DataError
from drpo.modeling.models import Models
from drpo.modeling.tokenization import AnswerOrigin, TokenizedPair, tokenize_answers
from drpo.rl.micro_batches import by_length, micro_batch
from drpo.rl.resets import keep_best
from drpo.rl.rollout import pack
from drpo.rl.sampling import Sampling
from drpo.rl.scoring import action_log_probs
from drpo.types import Observer

if TYPE_CHECKING:
    from drpo.rl.batches import Episodes


def filtered(
    episodes: Episodes, answers: Sequence[TokenizedPair], sampling: Sampling, observer: Observer
) -> list[TokenizedPair]:
    """Return the offline answers that may be reset into, as the run's filter has it.

    Args:
        episodes: The run's data.
        answers: All that are long enough.
        sampling: How answers are drawn at temperature 1.
        observer: Hears how far it is.

    Raises:
        DataError: Too few pairs for a check of labels, or it believes none of them.
    """
    keep = episodes.config.reset.reset_filter_keep
    if episodes.config.reset.reset_filter == "label":
        return _believed(episodes, answers, keep, observer)
    return keep_best(answers, _values(episodes, answers, sampling, observer), keep)


def _believed(
    episodes: Episodes, answers: Sequence[TokenizedPair], keep: float, observer: Observer
) -> list[TokenizedPair]:
    """Keep answers of the pairs whose label is most probably right, none that is less than likely.

    The probabilities are those of `drpo data labels`: of a model that has not seen the pair.
    """
    from drpo.data.labels.cross_fit import cross_fit  # scikit-learn, which other filters do without

    def tell(_stage: str, done: int, total: int) -> None:
        observer.progress("reset filter", done, max(done, total))

    right = episodes.models.ranks.first(lambda: cross_fit(episodes.pairs, tell=tell).probability)
    believed = [answer for answer in answers if right[answer.item] > 0.5]
    if not believed:
        raise DataError(
            f"reset_filter 'label' believes none of the {len(answers)} answers' labels, so there "
            "is nothing to reset into. See `drpo data labels`, or use another filter."
        )
    kept = keep_best(answers, [float(right[answer.item]) for answer in answers], keep)
    return [answer for answer in kept if right[answer.item] > 0.5] or believed[:1]


def _values(
    episodes: Episodes, answers: Sequence[TokenizedPair], sampling: Sampling, observer: Observer
) -> list[float]:
    """Return what the reset filter ranks offline answers by."""
    kind, block = episodes.config.reset.reset_filter, 256
    values: list[float] = []
    for begin in range(0, len(answers), block):
        observer.progress("reset filter", begin, len(answers))
        part = answers[begin : begin + block]
        if kind == "coverage":
            values += coverage(episodes.models, episodes.config, part, sampling)
        elif kind == "score":
            values += [score for score, _ in episodes.offline_scores(part)]
        else:
            values += _margins(episodes, part)
    return values


def _margins(episodes: Episodes, answers: Sequence[TokenizedPair]) -> list[float]:
    """Return by how much each answer beats the other one of its pair: as rated, else as scored."""
    chosen, rejected = (
        [score for score, _ in episodes.offline_scores(_of_kind(episodes, answers, kind))]
        for kind in ("chosen", "rejected")
    )
    margins = []
    for answer, better, worse in zip(answers, chosen, rejected, strict=True):
        rated = episodes.row_of(answer).margin
        margin = better - worse if rated is None else rated
        margins.append(-margin if answer.origin == "rejected" else margin)
    return margins


def _of_kind(
    episodes: Episodes, answers: Sequence[TokenizedPair], kind: AnswerOrigin
) -> list[TokenizedPair]:
    """Return the chosen, or the rejected, answer of each answer's pair."""
    prompts = [TokenizedPair(a.item, "prompt", a.prompt) for a in answers]
    length = episodes.config.sampling.response_length
    vocabulary = episodes.models.vocabulary
    return tokenize_answers(vocabulary, episodes.pairs, prompts, kind, length)


@torch.no_grad()
def coverage(
    models: Models, config: RunConfig, answers: Sequence[TokenizedPair], sampling: Sampling
) -> list[float]:
    """Return each answer's mean log-likelihood per token under the start policy, nats.

    An answer that the start policy would hardly write leads into states that it hardly visits.
    """
    packed = pack([t.prompt for t in answers], [t.answer for t in answers], sampling)
    packed = packed.to(models.precision.device)
    means = torch.zeros(len(answers))
    chunks = by_length(packed, config.ppo.rows_at_once, ranks=models.ranks.size)
    with models.start_policy() as start:
        for rows in models.ranks.shares(chunks):
            part = micro_batch(packed, rows)
            logs = part.by_row(action_log_probs(start, part, models.precision, 1.0))
            means[rows] = (logs.sum(1) / part.acted.sum(1)).cpu()
    models.ranks.add(means)
    return [float(mean) for mean in means]
