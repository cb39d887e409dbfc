"""Dialogues: cut a pair of transcripts where they part, and write message lists as transcripts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from drpo.i18n.message import Message

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


class DialogueError(ValueError):
    """Why something is no dialogue."""

    def __init__(self, why: Message) -> None:
        super().__init__(str(why))
        self.why = why


class Turn(NamedTuple):
    """One turn, its speaker normalised."""

    speaker: str
    text: str
    extra: Mapping[str, Any] | None = None
    """What chat templates know beside its text: `tool_calls`, `tool_call_id`, `name`."""

    @property
    def written(self) -> str:
        """The turn as text; a call of a tool stands as JSON."""
        calls = (self.extra or {}).get("tool_calls", ())
        named = [json.dumps(call.get("function", call), ensure_ascii=False) for call in calls]
        return "\n".join(filter(None, (self.text.strip(), *named)))


class Dialogue(NamedTuple):
    """A prompt with two ways to go on."""

    prompt: str
    chosen: str
    rejected: str
    history: tuple[Turn, ...] = ()
    """The turns of the prompt, where it came as turns."""

    @property
    def texts(self) -> tuple[str, str, str]:
        """The prompt with both answers."""
        return self.prompt, self.chosen, self.rejected


def is_transcript(text: str) -> bool:
    """Whether a text is a whole dialogue in the HH form."""
    first = TURN.search(text if text.startswith("\n\n") else "\n\n" + text)
    return first is not None and first.start() < 3 and ASSISTANT in text


def cut_transcripts(chosen: str, rejected: str) -> Dialogue:
    """Cut two transcripts after the last `Assistant:` that both share.

    Raises:
        DialogueError: They share no such turn, or part before the last one.
    """
    if not chosen.startswith("\n\n"):
        chosen = "\n\n" + chosen.lstrip()
    if not rejected.startswith("\n\n"):
        rejected = "\n\n" + rejected.lstrip()
    shared = _shared_length(chosen, rejected)
    # The marker itself must be shared whole, hence the search in the shared part only.
    at = chosen.rfind(ASSISTANT, 0, shared)
    if at < 0:
        raise DialogueError(Message("rows.no_shared_turn"))
    start = at + len(ASSISTANT)
    for text in (chosen, rejected):
        turns = TURN.findall(text, start)
        if turns:
            raise DialogueError(Message("rows.turns_after", count=len(turns)))
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


def read_messages(value: Any) -> list[Turn]:  # noqa: ANN401 - whatever the file holds
    """Read a message list, one message or a plain text of the assistant.

    Takes role/content and from/value names, plain or typed content parts.

    Raises:
        DialogueError: A message has another form; the message says which.
    """
    if isinstance(value, str):
        return [Turn("assistant", value)]
    if isinstance(value, Mapping):
        return [_message(value, 1)]
    if isinstance(value, Sequence):
        return [_message(item, number) for number, item in enumerate(value, 1)]
    raise DialogueError(Message("rows.no_messages", found=_type_name(value)))


def by_turns(prompt: Any, better: Any, worse: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401
    """Write lists of plain texts as messages: what was asked and answered turn by turn.

    Anything else is returned as it came; a list of one text is that text.

    Raises:
        DialogueError: There are not as many answers as turns asked.
    """
    prompt, better, worse = (_only_text(value) for value in (prompt, better, worse))
    lists = [_are_texts(value) for value in (prompt, better, worse)]
    if not any(lists):
        return prompt, better, worse
    if not all(lists) or len({len(prompt), len(better), len(worse)}) > 1:
        counts = [len(v) if isinstance(v, list) else 1 for v in (prompt, better, worse)]
        raise DialogueError(Message("rows.uneven_turns", counts=", ".join(map(str, counts))))
    return "", _interleaved(prompt, better), _interleaved(prompt, worse)


def _only_text(value: Any) -> Any:  # noqa: ANN401
    return (value[0] or "") if _are_texts(value) and len(value) == 1 else value


def _are_texts(value: Any) -> bool:  # noqa: ANN401
    texts = isinstance(value, list) and bool(value)
    return texts and all(text is None or isinstance(text, str) for text in value)


def _interleaved(asked: Sequence[str | None], answers: Sequence[str | None]) -> list[Any]:
    messages = []
    for question, answer in zip(asked, answers, strict=True):
        messages.append({"role": "user", "content": question or ""})
        messages.append({"role": "assistant", "content": answer or ""})
    return messages


def ends_with_assistant(messages: Sequence[Any]) -> bool:
    """Whether the last of some raw messages is the assistant's."""
    last = messages[-1]
    role = last.get("role", last.get("from")) if isinstance(last, Mapping) else None
    return SPEAKERS.get(str(role).strip().lower()) == "assistant"


def _message(value: Any, number: int) -> Turn:  # noqa: ANN401
    if not isinstance(value, Mapping):
        why = Message("rows.message_type", number=number, found=_type_name(value))
        raise DialogueError(why)
    role = value.get("role", value.get("from"))
    speaker = SPEAKERS.get(str(role).strip().lower())
    if speaker is None:
        raise DialogueError(Message("rows.message_role", number=number, role=str(role)[:40]))
    content = value.get("content", value.get("value"))
    calls = _calls(value)
    if not content and calls:
        return Turn(speaker, "", {"tool_calls": calls})
    extra = {key: value[key] for key in ("tool_call_id", "name") if value.get(key)}
    extra |= {"tool_calls": calls} if calls else {}
    return Turn(speaker, _content(content, number), extra or None)


def _calls(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The calls of tools in a message, their arguments as templates take them, not as JSON."""
    calls = message.get("tool_calls")
    if not calls and isinstance(message.get("function_call"), Mapping):
        calls = [{"type": "function", "function": message["function_call"]}]
    if not isinstance(calls, list):
        return []
    return [_call(call) for call in calls if isinstance(call, Mapping)]


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, Mapping):
        return dict(call)
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:  # a text it is, then
            return dict(call)
    return {**call, "function": {**function, "arguments": arguments}}


def _content(content: Any, number: int) -> str:  # noqa: ANN401
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and content:
        return "".join(_part(part, number) for part in content)
    found = _type_name(content)
    raise DialogueError(Message("rows.message_content", number=number, found=found))


def _part(part: Any, number: int) -> str:  # noqa: ANN401
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and part.get("type", "text") == "text":
        text = part.get("text", part.get("value"))
        if isinstance(text, str):
            return text
    kind = part.get("type") if isinstance(part, Mapping) else _type_name(part)
    shown = kind if isinstance(kind, Message) else str(kind)[:40]
    raise DialogueError(Message("rows.message_part", number=number, kind=shown))


def render_prompt(messages: Sequence[Turn]) -> str:
    """Write messages as one text that ends where the assistant speaks next."""
    parts = []
    for turn in messages:
        if turn.speaker == "system":
            parts.append(turn.written)
        else:
            label = {"user": HUMAN, "assistant": ASSISTANT, "tool": "\n\nTool:"}[turn.speaker]
            parts.append(f"{label} {turn.written}")
    return "".join(parts) + ASSISTANT


def cut_messages(
    before: Sequence[Turn], chosen: Sequence[Turn], rejected: Sequence[Turn]
) -> Dialogue:
    """Make a dialogue of a shared history and two continuations.

    Raises:
        DialogueError: The two part before the last message, or do not end with the assistant.
    """
    if not chosen or not rejected:
        raise DialogueError(Message("rows.empty_messages"))
    if list(chosen[:-1]) != list(rejected[:-1]):
        raise DialogueError(Message("rows.messages_differ"))
    for name, last in (("chosen", chosen[-1]), ("rejected", rejected[-1])):
        if last.speaker != "assistant":
            raise DialogueError(Message("rows.last_speaker", part=name, speaker=last.speaker))
    history = (*before, *chosen[:-1])
    if not any(message.speaker == "user" and message.text.strip() for message in history):
        return Dialogue("", chosen[-1].text, rejected[-1].text)
    answers = (_answer(chosen[-1].text), _answer(rejected[-1].text))
    return Dialogue(render_prompt(history), *answers, history)


def _answer(text: str) -> str:
    """Separate an answer from `Assistant:` by exactly one space, in both answers alike."""
    return " " + text.strip() if text.strip() else text


def _type_name(value: Any) -> Message:  # noqa: ANN401
    match value:
        case bool():
            return Message("rows.type_bool")
        case None:
            return Message("rows.type_none")
        case int() | float():
            return Message("rows.type_number")
        case list():
            return Message("rows.type_list")
        case _:
            return Message("rows.type_other", name=type(value).__name__)
