"""Prompts as conversations: the turns that a source kept, or those that a text can be read as."""

from __future__ import annotations

import re
from typing import Any

from drpo.data.pairs import Prompt
from drpo.data.schema.dialogues import ASSISTANT, HUMAN

_LABEL = re.compile(r"\n\n(Human|Assistant|Tool):")
_ROLES = {"Human": "user", "Assistant": "assistant", "Tool": "tool"}


def conversation(prompt: Prompt) -> list[dict[str, Any]]:
    """Return the turns of a prompt, the last being what is to be answered.

    A source's own turns come first. A text with labels (`Human:`, `Assistant:`) is read
    as its turns, what stands before them as the system's; any other is one turn of the user.
    """
    if prompt.messages:
        return [dict(message) for message in prompt.messages]
    text = prompt.text.rstrip()
    if not text.startswith("\n\n"):
        text = "\n\n" + text if text.startswith(HUMAN.strip()) else text
    if HUMAN not in text or not text.endswith(ASSISTANT):
        return [{"role": "user", "content": prompt.text.strip()}]
    told, *parts = _LABEL.split(text.removesuffix(ASSISTANT))
    turns = [{"role": "system", "content": told.strip()}] if told.strip() else []
    for label, said in zip(parts[::2], parts[1::2], strict=True):
        turns.append({"role": _ROLES[label], "content": said.strip()})
    return turns
