"""Answers as scorers read them: whole, as tokens and as text, with the prompt that they answer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from drpo.data.pairs import Pair
from drpo.modeling.scorers import Completion, Scorer
from drpo.modeling.tokenization import TokenizedPair, Vocabulary


def completion_of(
    vocabulary: Vocabulary,
    row: Pair,
    prompt_ids: tuple[int, ...],
    ids: tuple[int, ...],
    *,
    finished: bool,
) -> Completion:
    """Put the text of a row and the tokens that answer it together, as scorers read them."""
    return Completion(
        prompt_ids,
        ids,
        row.prompt,
        vocabulary.continuation(prompt_ids, ids),
        finished,
        row.facts,
        asked=row.asked,
        bare=vocabulary.chat is not None,
    )


def offline_completion(vocabulary: Vocabulary, row: Pair, pair: TokenizedPair) -> Completion:
    """Return an offline answer as scorers read completions."""
    finished = bool(pair.answer) and pair.answer[-1] in vocabulary.stops
    return completion_of(vocabulary, row, pair.prompt, pair.answer, finished=finished)


def gold_of(gold: Scorer | None, completions: Sequence[Completion]) -> Float[Tensor, " batch"]:
    """Return gold scores, NaN where there are none."""
    if gold is None:
        return torch.full((len(completions),), float("nan"))
    return gold.score(completions)
