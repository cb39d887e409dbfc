"""Dialogues: cut a pair of transcripts where they part, and write message lists as transcripts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

HUMAN = "\n\nHuman:"
ASSISTANT = "\n\nAssistant:"
TURN = re.compile(r"\n\n(Human|Assistant):")
ROLE_LABEL = re.compile(r"(?:^|\n)\s*(?:Human|Assistant|User)\s?:")

SPEAKERS = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_call": "tool",
}


class Dialogue(NamedTuple):
    """A prompt with two ways to go on."""

    prompt: str
    chosen: str
    rejected: str


def is_transcript(text: str) -> bool:
    """Whether a text is a whole dialogue in the HH form."""
    first = TURN.search(text if text.startswith("\n\n") else "\n\n" + text)
    return first is not None and first.start() < 3 and ASSISTANT in text


def cut_transcripts(chosen: str, rejected: str) -> Dialogue:
    """Cut two transcripts after the last `Assistant:` that both share.

    Raises:
        ValueError: They share no such turn, or part before the last one.
    """
    if not chosen.startswith("\n\n"):
        chosen = "\n\n" + chosen.lstrip()
    if not rejected.startswith("\n\n"):
        rejected = "\n\n" + rejected.lstrip()
    shared = _shared_length(chosen, rejected)
    # The marker itself must be shared whole, hence the search in the shared part only.
    at = chosen.rfind(ASSISTANT, 0, shared)
    if at < 0:
        raise ValueError("they share no Assistant turn")
    start = at + len(ASSISTANT)
    for text in (chosen, rejected):
        turns = TURN.findall(text, start)
        if turns:
            raise ValueError(f"{len(turns)} more turns after the last one they share")
    return Dialogue(chosen[:start], chosen[start:], rejected[start:])


def _shared_length(first: str, second: str) -> int:
    low, high = 0, min(len(first), len(second))
    while low < high:  # by halves: comparing slices is far quicker than comparing characters
        middle = (low + high + 1) // 2
        if first.startswith(second[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


class Message(NamedTuple):
    """One turn, its speaker normalised."""

    speaker: str
    text: str


def read_messages(value: Any) -> list[Message]:  # noqa: ANN401 - whatever the file holds
    """Read a message list, one message or a plain text of the assistant.

    Takes role/content and from/value names, plain or typed content parts.

    Raises:
        ValueError: A message has another form; the message says which.
    """
    if isinstance(value, str):
        return [Message("assistant", value)]
    if isinstance(value, Mapping):
        return [_message(value, 1)]
    if isinstance(value, Sequence):
        return [_message(item, number) for number, item in enumerate(value, 1)]
    raise ValueError(f"expected messages, got {_type_name(value)}")


def _message(value: Any, number: int) -> Message:  # noqa: ANN401
    if not isinstance(value, Mapping):
        raise ValueError(f"message {number} is {_type_name(value)}, not an object")  # noqa: TRY004
    role = value.get("role", value.get("from"))
    speaker = SPEAKERS.get(str(role).strip().lower())
    if speaker is None:
        raise ValueError(f"message {number} has the unknown role {str(role)[:40]!r}")
    return Message(speaker, _content(value.get("content", value.get("value")), number))


def _content(content: Any, number: int) -> str:  # noqa: ANN401
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and content:
        return "".join(_part(part, number) for part in content)
    raise ValueError(f"message {number} has {_type_name(content)} for its content")


def _part(part: Any, number: int) -> str:  # noqa: ANN401
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and part.get("type", "text") == "text":
        text = part.get("text", part.get("value"))
        if isinstance(text, str):
            return text
    kind = part.get("type") if isinstance(part, Mapping) else _type_name(part)
    raise ValueError(f"message {number} has a content part that is not text ({str(kind)[:40]})")


def render_prompt(messages: Sequence[Message]) -> str:
    """Write messages as one text that ends where the assistant speaks next."""
    parts = []
    for speaker, text in messages:
        if speaker == "system":
            parts.append(text.strip())
        else:
            label = {"user": HUMAN, "assistant": ASSISTANT, "tool": "\n\nTool:"}[speaker]
            parts.append(f"{label} {text.strip()}")
    return "".join(parts) + ASSISTANT


def cut_messages(
    before: Sequence[Message], chosen: Sequence[Message], rejected: Sequence[Message]
) -> Dialogue:
    """Make a dialogue of a shared history and two continuations.

    Raises:
        ValueError: The two part before the last message, or do not end with the assistant.
    """
    if not chosen or not rejected:
        raise ValueError("a message list is empty")
    if list(chosen[:-1]) != list(rejected[:-1]):
        raise ValueError("the two message lists differ before the last message")
    for name, last in (("chosen", chosen[-1]), ("rejected", rejected[-1])):
        if last.speaker != "assistant":
            raise ValueError(f"the last message of {name} is by the {last.speaker}")
    history = [*before, *chosen[:-1]]
    if not any(message.speaker == "user" and message.text.strip() for message in history):
        return Dialogue("", chosen[-1].text, rejected[-1].text)
    return Dialogue(render_prompt(history), _answer(chosen[-1].text), _answer(rejected[-1].text))


def _answer(text: str) -> str:
    """Separate an answer from `Assistant:` by exactly one space, in both answers alike."""
    return " " + text.strip() if text.strip() else text


def _type_name(value: Any) -> str:  # noqa: ANN401
    names = {bool: "true or false", type(None): "nothing", int: "a number", float: "a number"}
    return names.get(type(value), "a list" if isinstance(value, list) else type(value).__name__)
