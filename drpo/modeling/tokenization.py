"""Between text and tokens: prompts and answers as the policy reads and writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Any, Literal

from drpo.data.pairs import Pair, Prompt
from drpo.errors import DataError, ModelError
from drpo.modeling.answer_breaks import AnswerBreaks
from drpo.modeling.chat_template import ChatTemplate
from drpo.modeling.token_rows import TokenRow, keep_end
from drpo.modeling.tokenizer_identity import same_tokenizer

AnswerOrigin = Literal["chosen", "rejected", "demonstration", "rollin", "own", "prompt"]
_ANCHORS = ("\n", ".", "x")
_BLOCK = 1000
"""Texts handed to the tokenizer at once: fast, and bounded in memory."""
_KEPT = 2**21  # tokens of prompts, at most, from one reading to the next


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
    inside: tuple[int, ...] = ()
    """Numbers of first tokens that end inside a character or a mark, see `AnswerBreaks`."""


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer with the few ids training needs: the one way from text to tokens.

    Stages, policy, reward model, evaluation, playground and data check all read a row here. Lengths
    are carried, never read off pads.
    """

    tokenizer: Any
    end: int | None
    """Written at the end of offline answers; None for a model that reads and never ends."""
    stops: tuple[int, ...]
    """Any of these ends an answer."""
    pad: int
    """Fills the rectangle; its value never matters, because masks say what counts."""
    chat: ChatTemplate | None = None
    """What renders conversations; None where prompts are read as the text that they are."""
    _last_heads: list[Any] = field(default_factory=lambda: [None, []], init=False, compare=False)

    @classmethod
    def of(
        cls,
        tokenizer: Any,  # noqa: ANN401
        stops: Sequence[int] = (),
        *,
        writes: bool = True,
        chat: ChatTemplate | None = None,
    ) -> Vocabulary:
        """Take what is needed from a tokenizer.

        Args:
            tokenizer: A Hugging Face tokenizer.
            stops: Further end tokens, as a model's generation settings name them.
            writes: Whether the model writes answers, which must be able to end.
            chat: What renders conversations, if anything; its turn's end ends answers.

        Raises:
            ModelError: There is no end token, so no answer could ever finish.
        """
        told = (None if chat is None else chat.turn_end, tokenizer.eos_token_id, *stops)
        ends = tuple(dict.fromkeys(token for token in told if isinstance(token, int)))
        if writes and not ends:
            raise ModelError(
                f"The tokenizer of {tokenizer.name_or_path or 'the policy'} has no end-of-text "
                "token, so no answer could ever finish; set eos_token in its "
                "tokenizer_config.json."
            )
        end, pad = (ends[0] if ends else None), tokenizer.pad_token_id
        return cls(tokenizer, end, ends, (end or 0) if pad is None else pad, chat)

    def prompts(self, prompts: Sequence[Prompt | str]) -> list[tuple[int, ...]]:
        """Tokenize prompts, with whatever comes before them, and nothing after.

        A text begins with what the tokenizer puts before it, once; a chat as its template writes
        it, which is what `apply_chat_template` gives.

        Args:
            prompts: Texts, or prompts that may be conversations.
        """
        asked = [_prompt(prompt) for prompt in prompts]
        _, ids = self._heads(asked)
        return ids if self.chat and not self.chat.begins else [self._begun(row) for row in ids]

    def answers(
        self,
        prompts: Sequence[Prompt | str],
        answers: Sequence[str],
        limit: int | None = None,
        finished: Sequence[bool] | None = None,
    ) -> list[tuple[int, ...]]:
        """Tokenize answers as they follow their prompts, end token added, cut at `limit`.

        An answer whose text holds an end token ends with it: nothing can follow one. In a chat that
        is the end of the turn that the template writes.

        Prompt and answer are tokenized as one text, as they will be read. Where a token spans the
        border, which no prompt could be cut at, the answer is tokenized by itself: what a policy is
        given is the prompt's own tokens, so that is what every model has to be taught on.

        Args:
            prompts: One prompt an answer.
            answers: What follows them, whitespace between the two included.
            limit: Most tokens of an answer, its end included; None cuts none.
            finished: Whether each answer came to its end; without one there is no end token. None:
                all did.
        """
        asked = [_prompt(prompt) for prompt in prompts]
        before, heads = self._heads(asked)
        texts = [self._tail(*row) for row in zip(asked, before, answers, strict=True)]
        wholes = self._ids([head + text for head, text in zip(before, texts, strict=True)])
        ended = [True] * len(wholes) if finished is None else finished
        tails = []
        for head, whole, text, end in zip(heads, wholes, texts, ended, strict=True):
            follows = whole[: len(head)] == head
            tail = whole[len(head) :] if follows else self._alone(text)
            written = tuple(takewhile(lambda token: token not in self.stops, tail))
            own_end = tail[len(written) : len(written) + 1]
            tails.append((*written, *self._closing(own_end, finished=end))[:limit])
        return tails

    def rows(
        self,
        prompts: Sequence[Prompt | str],
        answers: Sequence[str],
        finished: Sequence[bool] | None = None,
    ) -> list[TokenRow]:
        """Tokenize prompts and answers, each as one row with the place where its answer begins."""
        heads, tails = self.prompts(prompts), self.answers(prompts, answers, None, finished)
        return [([*head, *tail], len(head)) for head, tail in zip(heads, tails, strict=True)]

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

    @cached_property
    def breaks(self) -> AnswerBreaks:
        """Where answers must not be broken off."""
        return AnswerBreaks(self.tokenizer, self.chat)

    @cached_property
    def special(self) -> frozenset[int]:
        """Tokens that are marks, not text."""
        added = getattr(self.tokenizer, "added_tokens_decoder", {})
        marks = (token for token, told in added.items() if told.special)
        return frozenset((*self.tokenizer.all_special_ids, *marks))

    def fits(self, row: TokenRow, limit: int | None) -> TokenRow:
        """Cut a row to a model's context, as `keep_end` does."""
        return keep_end(row, limit, self.tokenizer.all_special_ids)

    def same_as(self, other: Vocabulary) -> bool:
        """Whether two give the same ids for the same prompt and answer, the end included."""
        one, two = (None if reader.chat is None else reader.chat.source for reader in (self, other))
        return one == two and same_tokenizer(self.tokenizer, other.tokenizer)

    def _heads(self, asked: Sequence[Prompt]) -> tuple[list[str], list[tuple[int, ...]]]:
        """Texts and tokens of prompts; the last are kept, for each kind of answer asks again."""
        texts = [self._head(prompt) for prompt in asked]
        if self._last_heads[0] != texts:
            ids = self._ids(texts)
            if sum(map(len, ids)) > _KEPT:
                return texts, ids
            self._last_heads[:] = [texts, ids]
        return texts, self._last_heads[1]

    def _head(self, prompt: Prompt) -> str:
        """The text of a prompt."""
        if self.chat is None or self.chat.rendered(prompt):
            return prompt.text
        return self.chat.prompt(prompt)

    def _tail(self, prompt: Prompt, head: str, answer: str) -> str:
        """The text that an answer adds to its prompt's, the head."""
        if self.chat is None or self.chat.rendered(prompt):
            return answer
        whole = self.chat.whole(prompt, answer)
        if whole.startswith(head):
            return whole[len(head) :]
        # A prompt that no finished turn has: the template opens a thought, or puts what the system
        # told before the last turn.
        return self.chat.lead + answer.strip() + self.chat.closing

    def _alone(self, answer: str) -> tuple[int, ...]:
        """Tokenize an answer as it reads in mid-text.

        Many tokenizers put a space before whatever a text begins with, so the answer is read after
        a character that it does not merge with, which is then taken off again.
        """
        alone, *read = self._ids([answer, *_ANCHORS, *(at + answer for at in _ANCHORS)])
        anchors, wholes = read[: len(_ANCHORS)], read[len(_ANCHORS) :]
        for anchor, whole in zip(anchors, wholes, strict=True):
            if anchor and whole[: len(anchor)] == anchor:
                return whole[len(anchor) :]
        return alone

    def _ids(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Tokenize texts, with nothing before or after them."""
        ids: list[tuple[int, ...]] = []
        for begin in range(0, len(texts), _BLOCK):
            block = list(texts[begin : begin + _BLOCK])
            # No truncation: a text that is too long must be refused by name, not cut in silence.
            read = self.tokenizer(
                block, truncation=False, add_special_tokens=False, return_attention_mask=False
            )
            ids += [tuple(row) for row in read["input_ids"]]
        return ids

    @cached_property
    def _around(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What the tokenizer puts before a text, and after it.

        Texts are told by example. Of a tokenizer that knows no letter, only what it puts around
        nothing is known; that stands before.
        """
        for text in ("a", "0", "\u3042", "\n"):
            whole = tuple(self.tokenizer(text)["input_ids"])
            (bare,) = self._ids([text])
            for at in range(len(whole) - len(bare) + 1 if bare else 0):
                if whole[at : at + len(bare)] == bare:
                    return whole[:at], whole[at + len(bare) :]
        return tuple(i for i in self.tokenizer("")["input_ids"] if i not in self.stops), ()

    def _begun(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """Put before a text what its tokenizer does, unless the text says it itself."""
        before, _ = self._around
        return ids if ids[: len(before[:1])] == before[:1] else before + ids

    def _closing(self, own: tuple[int, ...], *, finished: bool) -> tuple[int, ...]:
        """What stands behind an answer: its own end, or the usual one; what closes every text."""
        after = tuple(i for i in self._around[1] if i not in self.stops)
        usual = () if self.end is None else (self.end,)
        return ((own or usual) if finished else ()) + after


def _prompt(prompt: Prompt | str) -> Prompt:
    return Prompt(prompt) if isinstance(prompt, str) else prompt


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
        zip(pairs, vocabulary.prompts([pair.asked for pair in pairs]), strict=True)
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
    answers = vocabulary.answers([pair.asked for pair in rows], texts, limit)
    return [
        TokenizedPair(
            prompt.item,
            origin,
            prompt.prompt,
            answer,
            cut=not answer or answer[-1] not in vocabulary.stops,
            inside=vocabulary.breaks.inside(answer),
        )
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
