"""Between text and tokens: prompts and answers as the policy reads and writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any, Literal

from drpo.data.pairs import Pair
from drpo.errors import DataError, ModelError

AnswerOrigin = Literal["chosen", "rejected", "demonstration", "rollin", "prompt"]
_BLOCK = 1000
"""Texts handed to the tokenizer at once: fast, and bounded in memory."""


@dataclass(frozen=True, slots=True)
class TokenizedPair:
    """A prompt with an offline answer to it, in tokens."""

    item: int
    """Index of the pair, or of the demonstration, that it came from."""
    origin: AnswerOrigin
    prompt: tuple[int, ...]
    answer: tuple[int, ...] = ()
    """Its end token included, unless the answer was cut at the length limit."""
    cut: bool = False
    """Whether the answer was cut, so that its own end is not among its tokens."""


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer with the few ids training needs. Lengths are carried, never read off pads."""

    tokenizer: Any
    end: int
    """Written at the end of offline answers."""
    stops: tuple[int, ...]
    """Any of these ends an answer."""
    pad: int
    """Fills the rectangle; its value never matters, because masks say what counts."""

    @classmethod
    def of(cls, tokenizer: Any, stops: Sequence[int] = ()) -> Vocabulary:  # noqa: ANN401
        """Take what is needed from a tokenizer.

        Args:
            tokenizer: A Hugging Face tokenizer.
            stops: Further end tokens, as a model's generation settings name them.

        Raises:
            ModelError: There is no end token, so no answer could ever finish.
        """
        ends = [i for i in (tokenizer.eos_token_id, *stops) if isinstance(i, int)]
        if not ends:
            raise ModelError(
                f"The tokenizer of {tokenizer.name_or_path or 'the policy'} has no end-of-text "
                "token, so no answer could ever finish; set eos_token in its "
                "tokenizer_config.json."
            )
        pad = tokenizer.pad_token_id
        stops = tuple(dict.fromkeys(ends))
        return cls(tokenizer, end=ends[0], stops=stops, pad=ends[0] if pad is None else pad)

    def prompts(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Tokenize prompts, with whatever the tokenizer puts before a text, nothing after."""
        return [self._unended(ids) for ids in self._ids(texts)]

    def answers(
        self, prompts: Sequence[str], answers: Sequence[str], limit: int
    ) -> list[tuple[int, ...]]:
        """Tokenize answers as they follow their prompts, end token added, cut at `limit`.

        An answer whose text holds an end token ends there: nothing can follow one.

        Prompt and answer are tokenized as one text, as they will be read. Where a token spans the
        border, which no prefix could be cut at, the answer is tokenized by itself.
        """
        heads = self.prompts(prompts)
        wholes = self._ids([p + a for p, a in zip(prompts, answers, strict=True)])
        tails = []
        for head, whole, answer in zip(heads, wholes, answers, strict=True):
            follows = whole[: len(head)] == head
            tail = whole[len(head) :] if follows else self._alone(answer)
            written = takewhile(lambda token: token not in self.stops, tail)
            tails.append((*written, self.end)[:limit])
        return tails

    def continuation(self, context: Sequence[int], written: Sequence[int]) -> str:
        """Return the text that `written` adds after `context`, spacing as in the whole text."""
        before = self.text(context)
        whole = self.text((*context, *written))
        return whole[len(before) :] if whole.startswith(before) else self.text(written)

    def text(self, ids: Sequence[int]) -> str:
        """Decode without special tokens and without tidying of spaces."""
        decoded = self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return str(decoded)

    def _alone(self, answer: str) -> tuple[int, ...]:
        """Tokenize an answer as it reads in mid-text.

        Many tokenizers put a space before whatever a text begins with, so the answer is read after
        a line break, which is then taken off again.
        """
        anchor, whole = self._ids(["\n", "\n" + answer])
        anchor = self._unended(anchor)
        if whole[: len(anchor)] == anchor:
            return whole[len(anchor) :]
        return tuple(self.tokenizer(answer, add_special_tokens=False)["input_ids"])

    def _ids(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        ids: list[tuple[int, ...]] = []
        for begin in range(0, len(texts), _BLOCK):
            block = list(texts[begin : begin + _BLOCK])
            # No truncation: a text that is too long must be refused by name, not cut in silence.
            ids += [tuple(row) for row in self.tokenizer(block, truncation=False)["input_ids"]]
        return ids

    @cached_property
    def _adds_end(self) -> bool:
        """Whether the tokenizer itself puts an end token after every text."""
        ids = self.tokenizer("a")["input_ids"]
        bare = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        return ids[-1:] != bare[-1:] and ids[-1] in self.stops

    def _unended(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        return ids[:-1] if self._adds_end else ids


@dataclass(frozen=True)
class PromptLimit:
    """How long prompts may be, and what happens to longer ones."""

    tokens: int
    reason: str
    drop: bool = False


def tokenize_prompts(
    vocabulary: Vocabulary, pairs: Sequence[Pair], limit: PromptLimit
) -> list[TokenizedPair]:
    """Tokenize every prompt; long ones are an error or left out, as the limit says.

    Raises:
        DataError: A prompt is too long or empty, or none is left.
    """
    kept = []
    for item, (pair, ids) in enumerate(
        zip(pairs, vocabulary.prompts([p.prompt for p in pairs]), strict=True)
    ):
        if not ids:
            raise DataError(
                f"The prompt of row {pair.row} holds no token; expected text. Remove the row."
            )
        if len(ids) <= limit.tokens:
            kept.append(TokenizedPair(item, "prompt", ids))
        elif not limit.drop:
            raise DataError(
                f"The prompt of row {pair.row} is {len(ids)} tokens long, but at most "
                f"{limit.tokens} fit ({limit.reason}). Shorten it, lower response_length, or set "
                "long_prompts to 'drop' to leave such rows out."
            )
    if not kept:
        raise DataError(
            f"No prompt fits into {limit.tokens} tokens ({limit.reason}); expected at least one "
            "row that does. Shorten the prompts, lower response_length, or take another model."
        )
    return kept


def tokenize_answers(
    vocabulary: Vocabulary,
    pairs: Sequence[Pair],
    prompts: Sequence[TokenizedPair],
    origin: AnswerOrigin,
    limit: int,
) -> list[TokenizedPair]:
    """Tokenize the chosen or rejected answer of every prompt that was kept."""
    rows = [pairs[p.item] for p in prompts]
    texts = [pair.rejected if origin == "rejected" else pair.chosen for pair in rows]
    answers = vocabulary.answers([pair.prompt for pair in rows], texts, limit)
    return [
        TokenizedPair(
            prompt.item,
            origin,
            prompt.prompt,
            answer,
            cut=not answer or answer[-1] not in vocabulary.stops,
        )
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
