"""The record that everything after reading works on: one preference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

ChatMessage = Mapping[str, Any]
"""A turn as chat templates take it: `role` (system, user, assistant, tool), `content`, and what
else the turn holds (`tool_calls`, `tool_call_id`, `name`)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an answer answers: as one text, and as the conversation that it came as."""

    text: str
    messages: Sequence[ChatMessage] | None = None
    """The turns before the answer; None where the source had one text only."""
    tools: Sequence[Mapping[str, Any]] | None = None
    """JSON schemas of the functions that could be called."""
    row: int = 0
    """1-based row in the source, for messages."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt with the answer people preferred and the one they did not.

    Read as text, the trained text is exactly `prompt + chosen` (or `+ rejected`), nothing inserted:
    whitespace between the two belongs to one of them. Read as a chat, the template of the model's
    tokenizer writes the conversation, see `drpo.modeling.chat_template`.
    """

    prompt: str
    chosen: str
    rejected: str
    facts: Mapping[str, str] | None = None
    """What a faithful answer states, where a gold score exists: slot to word."""
    gold_chosen: float | None = None
    gold_rejected: float | None = None
    row: int = 0
    """1-based row in the source, for messages."""
    margin: float | None = None
    """How clearly chosen was preferred, where the source says so."""
    evaluation_prompt: bool | None = None
    """True where people judged runs on this prompt: training leaves the row out, or those runs
    could no longer be judged on it."""
    messages: Sequence[ChatMessage] | None = None
    """The conversation before the answers, where the source has one; `prompt` is the same written
    as one text."""
    tools: Sequence[Mapping[str, Any]] | None = None
    """Functions that the assistant could call, where the source names some."""

    @property
    def asked(self) -> Prompt:
        """What both answers answer."""
        return Prompt(self.prompt, self.messages, self.tools, self.row)


_NAMES = tuple(field.name for field in fields(Pair))


def row_of(pair: Pair) -> dict[str, Any]:
    """A pair as a row of JSON Lines: the fields it has; `Pair(**row)` reads it back."""
    return {name: value for name in _NAMES if (value := getattr(pair, name)) is not None}
