"""Scores of whole answers: learned by a reward model, or gold where the data know the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from drpo.forward import Precision
from drpo.gold import GoldScorer
from drpo.reward_model import RewardModel


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, reset prefix included, as tokens and as text."""

    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    """The end token included where the answer finished."""
    prompt: str
    text: str
    finished: bool
    facts: Mapping[str, str] | None = None


@runtime_checkable
class Scorer(Protocol):
    """Anything that gives each answer one number."""

    def score(self, answers: Sequence[Answer]) -> Float[Tensor, " batch"]:
        """Return one score an answer, float32, on the CPU."""
        ...


@dataclass(frozen=True)
class LearnedScorer:
    """Scores by a reward model; by token ids where both models read the same tokens."""

    model: RewardModel
    same_tokens: bool
    precision: Precision
    batch_size: int

    def score(self, answers: Sequence[Answer]) -> Float[Tensor, " batch"]:
        """Return the reward model's score of each answer."""
        if self.same_tokens:
            return self._by_ids(answers)
        scores = self.model.score_texts(
            [a.prompt for a in answers],
            [a.text for a in answers],
            self.batch_size,
            [a.finished for a in answers],
        )
        return torch.tensor(scores)

    def _by_ids(self, answers: Sequence[Answer]) -> Float[Tensor, " batch"]:
        lengths = [len(a.prompt_ids) + len(a.ids) for a in answers]
        order = sorted(range(len(answers)), key=lambda i: (lengths[i], i))
        scores = torch.zeros(len(answers))
        for begin in range(0, len(order), self.batch_size):
            rows = order[begin : begin + self.batch_size]
            scores[rows] = self._score_block([answers[i] for i in rows])
        return scores

    def _score_block(self, answers: Sequence[Answer]) -> Float[Tensor, " batch"]:
        width = max(len(a.prompt_ids) + len(a.ids) for a in answers)
        tokens = torch.zeros(len(answers), width, dtype=torch.long)
        places = torch.arange(width)
        begins = torch.tensor([len(a.prompt_ids) for a in answers])[:, None]
        ends = torch.tensor([len(a.prompt_ids) + len(a.ids) for a in answers])[:, None]
        for row, answer in enumerate(answers):
            line = (*answer.prompt_ids, *answer.ids)
            tokens[row, : len(line)] = torch.tensor(line)
        real = places < ends
        device = self.precision.device
        with torch.no_grad(), self.precision.autocast():
            scores = self.model.score(
                tokens.to(device), real.to(device), (real & (places >= begins)).to(device)
            )
        return scores.float().cpu()


@dataclass(frozen=True)
class GoldScores:
    """Scores by what the data know to be true; rows without facts have none."""

    gold: GoldScorer

    def score(self, answers: Sequence[Answer]) -> Float[Tensor, " batch"]:
        """Return the true score of each answer, NaN where its row states no facts."""
        return torch.tensor(
            [
                float("nan") if a.facts is None else self.gold(a.text, a.facts)
                for a in answers
            ]
        )  # fmt: skip
