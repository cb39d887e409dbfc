"""Scores of whole answers: learned by a reward model, or gold where the data know the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from drpo.data.gold_reward import Gold
from drpo.data.pairs import Prompt
from drpo.errors import RewardError
from drpo.modeling.cuts import cut_by_length
from drpo.modeling.forward_pass import Precision
from drpo.modeling.model_loading import context_length
from drpo.modeling.reward_model import RewardModel
from drpo.modeling.token_rows import pad_rows
from drpo.parallel.ranks import ALONE, Ranks


@dataclass(frozen=True, slots=True)
class Completion:
    """All that follows a prompt, reset prefix included, as tokens and as text."""

    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    """The end token included where the answer finished."""
    prompt: str
    text: str
    finished: bool
    facts: Mapping[str, str] | None = None
    asked: Prompt | None = None
    """The prompt with its conversation, where it has one: another model may render it anew."""
    bare: bool = False
    """Whether the text lacks the space that stands between prompt and answer where both are one
    text: a chat's turn has its own."""

    @property
    def as_text(self) -> str:
        """The answer as it follows the prompt's text."""
        parted = self.prompt[-1:].isspace() or self.text[:1].isspace()
        return f" {self.text}" if self.bare and not parted else self.text


@runtime_checkable
class Scorer(Protocol):
    """Anything that gives each completion one number."""

    def score(self, completions: Sequence[Completion]) -> Float[Tensor, " batch"]:
        """Return one score an answer, float32, on the CPU."""
        ...


@dataclass(frozen=True)
class LearnedScorer:
    """Scores by a reward model; by token ids where both models read the same tokens."""

    model: RewardModel
    same_tokens: bool
    precision: Precision
    batch_size: int
    tokens: int
    """Most positions in memory at once."""
    ranks: Ranks = ALONE
    """Who else scores the same answers, each a share of them."""

    def score(self, completions: Sequence[Completion]) -> Float[Tensor, " batch"]:
        """Return the reward model's score of each answer."""
        work = self._by_ids if self.same_tokens else self._by_texts
        return torch.tensor(self.ranks.each(completions, work))

    def _by_texts(self, completions: Sequence[Completion]) -> list[float]:
        return self.model.score_texts(
            [a.asked or a.prompt for a in completions],
            [a.as_text for a in completions],
            self.batch_size,
            [a.finished for a in completions],
            tokens=self.tokens,
        )

    def _by_ids(self, completions: Sequence[Completion]) -> list[float]:
        model, reader = self.model, self.model.vocabulary
        assert reader is not None, "two models that share a tokenizer have one"
        limit = context_length(model.classifier)
        rows = [
            reader.fits(([*a.prompt_ids, *a.ids], len(a.prompt_ids)), limit) for a in completions
        ]
        scores = torch.zeros(len(rows))
        device = self.precision.device
        lengths = [len(ids) for ids, _ in rows]
        for block in cut_by_length(
            lengths, self.batch_size, tokens=self.tokens, device=device.type
        ):
            ids, attended, response = pad_rows([rows[i] for i in block], reader.pad)
            with torch.no_grad(), self.precision.autocast():
                found = model.score(ids.to(device), attended.to(device), response.to(device))
            scores[block] = found.float().cpu()
        return scores.tolist()


@dataclass(frozen=True)
class GoldScores:
    """Scores by what the data know to be true; a row without the facts it takes has none."""

    gold: Gold

    def score(self, completions: Sequence[Completion]) -> Float[Tensor, " batch"]:
        """Return the true score of each answer, NaN where its row lacks the facts it takes."""
        return torch.tensor([self._of(answer) for answer in completions])

    def _of(self, answer: Completion) -> float:
        unknown = answer.facts is None and self.gold.fields
        return float("nan") if unknown else self.gold(answer.text, answer.facts or {})


RewardFunction = Callable[[Sequence[str], Sequence[str]], Sequence[float]]
"""Prompts and whole answers, reset prefixes included, as text -> one score an answer."""


@dataclass(frozen=True)
class FunctionScorer:
    """Scores by a Python function, which may be any rule, program or service."""

    function: RewardFunction

    @property
    def name(self) -> str:
        """The function as the run's record calls it."""
        kind = type(self.function)
        module = getattr(self.function, "__module__", kind.__module__)
        return f"{module}.{getattr(self.function, '__qualname__', kind.__qualname__)}"

    def score(self, completions: Sequence[Completion]) -> Float[Tensor, " batch"]:
        """Return the function's score of each completion.

        Raises:
            RewardError: It returned another number of scores, or one that is no finite number.
        """
        prompts, texts = [c.prompt for c in completions], [c.text for c in completions]
        found = list(self.function(prompts, texts))
        if len(found) != len(texts):
            raise RewardError(
                f"The reward function {self.name} was given {len(texts)} answers and returned "
                f"{len(found)} scores; expected one score an answer, in their order."
            )
        scores = []
        for at, value in enumerate(found):
            try:
                scores.append(float(value))
            except (TypeError, ValueError):
                scores.append(math.nan)
            if not math.isfinite(scores[-1]):
                raise RewardError(
                    f"The reward function {self.name} scored an answer {value!r}; expected a "
                    f"finite number. The answer: {texts[at][:200]!r}, to {prompts[at][-200:]!r}."
                )
        return torch.tensor(scores)
