"""How long texts are: in a model's tokens where its tokenizer is known, else in words."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drpo.errors import ModelError

BATCH = 1_000
CUT_AT_MOST = 0.05
ROUNDED_TO = 8
NAMED = 100
"""Texts for which the report can say what exactly is unknown."""
_UNSPACED = re.compile(r"[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


@dataclass(frozen=True)
class Measured:
    """Lengths of some texts, and which of them the tokenizer cannot show whole."""

    lengths: list[int]
    unknown: dict[int, str] = field(default_factory=dict)
    """Index of a text to what of it the model never sees."""


class Words:
    """Counts words between spaces; in scripts without spaces each character counts as one."""

    unit = "words"

    def measure(self, texts: Sequence[str]) -> Measured:
        """Count."""
        return Measured([self._count(text) for text in texts])

    def _count(self, text: str) -> int:
        if text.isascii():
            return len(text.split())
        rest, characters = _UNSPACED.subn(" ", text)
        return characters + len(rest.split())


class Tokens:
    """Counts tokens of one tokenizer, and finds what it drops.

    Args:
        folder: The model's folder, with a `tokenizer.json`.

    Raises:
        ModelError: There is none, or it cannot be read.
    """

    unit = "tokens"

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        file = folder / "tokenizer.json"
        if not file.is_file():
            raise ModelError(
                f"{folder} has no tokenizer.json, which counting tokens needs; choose a folder "
                "that a fast tokenizer was saved to."
            )
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises bare Exception for any damaged file
            raise ModelError(f"{file} cannot be read; save the tokenizer again.") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._unknown_ids = self._find_unknown()
        self._shown: dict[str, bool] = {}

    def measure(self, texts: Sequence[str]) -> Measured:
        """Count the tokens of each text, and name what of it the tokenizer does not know."""
        lengths: list[int] = []
        unknown: dict[int, str] = {}
        for start in range(0, len(texts), BATCH):
            batch = list(texts[start : start + BATCH])
            encoded = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            for offset, encoding in enumerate(encoded):
                lengths.append(len(encoding))
                missing = self._missing(batch[offset], encoding, named=len(unknown) < NAMED)
                if missing:
                    unknown[start + offset] = missing
        return Measured(lengths, unknown)

    def _missing(self, text: str, encoding: Any, *, named: bool) -> str:  # noqa: ANN401
        if self._unknown_ids:
            ids = encoding.ids
            if any(token in ids for token in self._unknown_ids):
                if not named:
                    return "unknown token"
                # The quick encoding carries no offsets, so the first such texts are read again.
                slow = self._tokenizer.encode(text, add_special_tokens=False)
                at = next(i for i, token in enumerate(slow.ids) if token in self._unknown_ids)
                begin, end = slow.offsets[at]
                return text[begin:end][:20] or "unknown token"
        if text.isascii():
            return ""
        return next((char for char in set(text) if not self._shows(char)), "")

    def _shows(self, char: str) -> bool:
        """Whether a character survives the way through the tokenizer and back."""
        known = self._shown.get(char)
        if known is None:
            known = char.isascii() or char.isspace() or not char.isprintable()
            if not known:
                ids = self._tokenizer.encode(char, add_special_tokens=False).ids
                back = self._tokenizer.decode(ids, skip_special_tokens=True)
                known = bool(ids) and bool(
                    self._unknown_ids & set(ids) or _same(char) in _same(back)
                )
            self._shown[char] = known
        return known

    def _find_unknown(self) -> set[int]:
        names = ("<unk>", "[UNK]", "<UNK>", "<|unk|>", "[unk]")
        ids = {self._tokenizer.token_to_id(name) for name in names}
        return {token for token in ids if token is not None}


def proposed_length(lengths: Sequence[int]) -> int | None:
    """Return a length limit that cuts at most CUT_AT_MOST of some answers; None without any.

    Args:
        lengths: Tokens of each answer, its end token among them.
    """
    if not lengths:
        return None
    kept = max(1, math.ceil((1 - CUT_AT_MOST) * len(lengths)))
    return -(-sorted(lengths)[kept - 1] // ROUNDED_TO) * ROUNDED_TO


def _same(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
