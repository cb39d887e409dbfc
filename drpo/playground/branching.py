"""Let a checkpoint continue an answer from any of its tokens, several times each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from drpo.errors import DataError
from drpo.modeling.forward_pass import Precision, call_causal
from drpo.modeling.scorers import Completion, LearnedScorer
from drpo.playground.generation import Voice, contexts, draw, room_for, text_of, token_texts
from drpo.playground.protocol import Sampling

SEED_STRIDE = 1_000_003
"""Sets positions' seeds apart, so that their continuations are independent."""


def branch(
    voice: Voice,
    prompt: str,
    answer: str,
    facts: Mapping[str, str] | None,
    *,
    positions: Sequence[int],
    count: int,
    sampling: Sampling,
) -> Iterator[dict[str, Any]]:
    """Draw continuations of an answer at some of its positions.

    A position's continuations depend on the seed, the position and `count` only: asked alone or
    among others, they are the same.

    Args:
        voice: The checkpoint; its gold score is asked with `facts`.
        prompt: The prompt, whitespace included, as the policy was trained to read it.
        answer: The answer whose positions are meant.
        facts: What a faithful answer states, for a gold score that asks for it.
        positions: Tokens that are given before the policy writes, each from 0 to the answer's
            length; none to be told the answer's tokens only.
        count: Continuations of each position.
        sampling: How to draw; `max_tokens` counts the given tokens, as in training.

    Yields:
        Lines as `drpo.playground.protocol` lists them.

    Raises:
        DataError: The prompt is empty, the texts leave no room, or a position is not in the answer.
    """
    yield {"kind": "weights", "weights": voice.weights}
    context, ids = contexts(voice, prompt, answer)
    yield {
        "kind": "tokens",
        "tokens": token_texts(voice, context, ids),
        "facts": None if facts is None else dict(facts),
    }
    for position in positions:
        if not 0 <= position <= len(ids):
            raise DataError(
                f"The answer has {len(ids)} tokens, so a position is 0 to {len(ids)}; got "
                f"{position}. Choose one of its tokens."
            )
        rows = _Rows(voice, context, ids[:position], position, count, sampling)
        for _ in rows.write():
            yield {"kind": "beat", "position": position}
        yield {
            "kind": "continuations",
            "position": position,
            "continuations": rows.judged(prompt, facts),
        }


class _Rows:
    """Continuations of one position, written side by side."""

    def __init__(
        self,
        voice: Voice,
        context: Sequence[int],
        given: Sequence[int],
        position: int,
        count: int,
        sampling: Sampling,
    ) -> None:
        self._voice, self._sampling = voice, sampling
        self._context, self._given = tuple(context), tuple(given)
        self._noise = torch.Generator().manual_seed(sampling.seed * SEED_STRIDE + position)
        self.written: list[list[int]] = [[] for _ in range(count)]

    def write(self) -> Iterator[None]:
        """Write until every row has ended or is full; yields after each token."""
        voice, count = self._voice, len(self.written)
        wanted = self._sampling.max_tokens - len(self._given)
        if wanted < 1:
            return
        room = room_for(voice, len(self._context) + len(self._given), wanted)
        cache = DynamicCache()
        read = [*self._context, *self._given]
        logits = self._read(torch.tensor([read], device=voice.device), cache, 0)
        cache.batch_repeat_interleave(count)
        logits = logits.expand(count, -1)
        for place in range(room):
            uniform = torch.rand(count, generator=self._noise, dtype=torch.float64)
            tokens = [
                draw(row, one[None], self._sampling)
                for row, one in zip(logits, uniform, strict=True)
            ]
            for row, token in zip(self.written, tokens, strict=True):
                if not self._ended(row):
                    row.append(token)
            yield
            if all(map(self._ended, self.written)) or place + 1 == room:
                return
            fresh = torch.tensor(tokens, device=voice.device)[:, None]
            logits = self._read(fresh, cache, len(read) + place)

    def judged(self, prompt: str, facts: Mapping[str, str] | None) -> list[dict[str, Any]]:
        """The rows' texts and their scores, as the protocol lists them."""
        voice = self._voice
        before = text_of(voice, self._context, self._given)
        answers = [
            Completion(
                self._context,
                (*self._given, *row),
                prompt,
                text_of(voice, self._context, [*self._given, *row]),
                self._ended(row),
                bare=voice.vocabulary.chat is not None,
            )
            for row in self.written
        ]
        return [
            {
                "text": one.text[len(before) :],
                "finished": one.finished,
                "score": score,
                "gold": voice.gold and voice.gold(one.text, facts or {}),
            }
            for one, score in zip(answers, self._scores(answers), strict=True)
        ]

    def _scores(self, answers: Sequence[Completion]) -> Sequence[float | None]:
        voice = self._voice
        if voice.reward is None:
            return [None] * len(answers)
        same = voice.reward.reads_like(voice.vocabulary)
        room = max(len(one.prompt_ids) + len(one.ids) for one in answers)
        precision = Precision(voice.device, torch.float32)
        scorer = LearnedScorer(voice.reward, same, precision, len(answers), room)
        scores: list[float | None] = scorer.score(answers).tolist()
        return scores

    def _ended(self, row: Sequence[int]) -> bool:
        return bool(row) and row[-1] in self._voice.vocabulary.stops

    def _read(self, tokens: Tensor, cache: DynamicCache, read: int) -> Tensor:
        """Read on in every row; return the logits after the last token, float32."""
        rows, fresh = tokens.shape
        positions = torch.arange(read, read + fresh, device=tokens.device).expand(rows, -1)
        mask = torch.ones(rows, read + fresh, dtype=torch.long, device=tokens.device)
        extra: dict[str, Any] = {"past_key_values": cache, "use_cache": True}
        with torch.no_grad():
            logits: Tensor = call_causal(
                self._voice.policy, tokens, mask, positions, keep=1, **extra
            )
        return logits[:, -1].float()
