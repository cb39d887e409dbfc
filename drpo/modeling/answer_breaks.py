"""Where an answer may be broken off: never inside a character, nor inside a mark of the template.

A token is not a character. Byte-level tokenizers write an emoji or a Japanese character as several
tokens, and what looks like one character may be several code points. Marks such as `<think>`, or
what a template puts before an answer's content, may be several tokens too. A reset that began
there would ask the policy to finish what no text holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from drpo.modeling.chat_template import ChatTemplate

_MARK = re.compile(r"</?\|?[A-Za-z_][\w ]*\|?/?>|\[/?[A-Z_]{2,}\]")
"""How the templates of published chat models write their marks."""
_PARTIAL = "\N{REPLACEMENT CHARACTER}"
_JOINER = "\N{ZERO WIDTH JOINER}"


class AnswerBreaks:
    """Finds the places inside characters and marks in answers of one tokenizer.

    Args:
        tokenizer: A Hugging Face tokenizer.
        chat: The template that writes the answers, if one does.
    """

    def __init__(self, tokenizer: Any, chat: ChatTemplate | None) -> None:  # noqa: ANN401
        self._tokenizer = tokenizer
        self._lead = self._closing = ""
        self._marks: tuple[str, ...] = ()
        if chat is not None:
            self._lead, self._closing = chat.lead, chat.closing.rstrip()
            named = {mark.replace("/", "") for mark in _MARK.findall(str(chat.source))}
            self._marks = tuple(named | {f"{mark[0]}/{mark[1:]}" for mark in named})
        self._texts: dict[int, str] = {}
        self._plain: set[int] = set()
        """Tokens known to be ASCII, and so whole characters."""

    def inside(self, ids: Sequence[int]) -> tuple[int, ...]:
        """Return the numbers of first tokens after which an answer must not be broken off.

        Args:
            ids: The answer's tokens.

        Returns:
            Numbers above 0 and below the answer's length, ascending.
        """
        if not (self._marks or self._lead or self._closing) and self._plain.issuperset(ids):
            return ()
        broken = set(range(1, len(ids)))
        ends: list[tuple[int, int]] = []
        text, begin = "", 0
        for count, piece in self.pieces(ids):
            broken.discard(count)
            if text and _glued(text, piece):
                broken.add(begin)
            text += piece
            ends.append((count, len(text)))
            begin = count
        spans = list(self._spans(text))
        if spans:
            broken |= {n for n, at in ends if any(low < at < high for low, high in spans)}
        return tuple(sorted(n for n in broken if 0 < n < len(ids)))

    def pieces(self, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Yield the text of an answer in parts that hold whole characters.

        Args:
            ids: The answer's tokens.

        Yields:
            How many tokens were read so far, and the text that they add. What is left at the end,
            a character that breaks off, comes last as it decodes.
        """
        begin = 0
        for count in range(1, len(ids) + 1):
            piece = self._text(ids[begin:count])
            if not piece.endswith(_PARTIAL) or count == len(ids):
                yield count, piece
                begin = count

    def _text(self, ids: Sequence[int]) -> str:
        if len(ids) == 1 and ids[0] in self._texts:
            return self._texts[ids[0]]
        text = str(
            self._tokenizer.decode(
                list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )
        if len(ids) == 1:
            self._texts[ids[0]] = text
            if text.isascii():
                self._plain.add(ids[0])
        return text

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """The places of what the template writes."""
        if self._lead and text.startswith(self._lead):
            yield 0, len(self._lead)
        if self._closing and text.endswith(self._closing):
            yield len(text) - len(self._closing), len(text)
        for mark in self._marks:
            at = text.find(mark)
            while at >= 0:
                yield at, at + len(mark)
                at = text.find(mark, at + len(mark))


def _glued(before: str, after: str) -> bool:
    """Whether two texts meet inside one visible character."""
    if not after or after.isascii():
        return False
    last, first = before[-1], after[0]
    if last == _JOINER or first == _JOINER or unicodedata.category(first) in ("Mn", "Me", "Mc"):
        return True
    if "\U0001f3fb" <= first <= "\U0001f3ff":  # a skin tone belongs to the sign before it
        return True
    flags = len(before) - len(before.rstrip(_FLAG_LETTERS))
    return first in _FLAG_LETTERS and flags % 2 == 1


_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
"""A flag is two of these."""
