"""What stands before a prompt (system texts, earlier turns), and what of a row is not used."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from drpo.data.schema.cells import is_missing_text
from drpo.data.schema.column_mapping import Layout, name_words
from drpo.data.schema.columns import ASIDE, Column, Content, named
from drpo.data.schema.dialogues import DialogueError, Turn, read_messages, render_prompt
from drpo.data.schema.row_error import RowError
from drpo.i18n.message import Message

SYSTEM = (
    "system",
    "system_prompt",
    "system_message",
    "system_instruction",
    "system_text",
    "sys_prompt",
)
HISTORY = (
    "history",
    "chat_history",
    "conversation_history",
    "dialogue_history",
    "dialog_history",
    "message_history",
    "previous_messages",
    "previous_turns",
    "earlier_turns",
)
TOOLS = ("tools", "functions", "available_tools", "tool_definitions")
CONTEXT_WORDS = {
    *("system", "history", "context", "persona", "preamble", "scenario", "background", "memory"),
    *("image", "images", "picture", "pictures", "audio", "audios", "video", "videos"),
    *("tool", "tools", "function", "functions", "document", "documents", "passage", "passages"),
    *("knowledge", "constitution", "dialogue", "dialog", "conversation", "conversations"),
    *("messages", "previous", "earlier", "reasoning", "thinking", "input"),
}
"""Words in a column's name that say that the answers were given with it in view."""
MESSAGE_EXTRAS = ("reasoning_content", "reasoning", "thinking", "images", "audio", "videos")
ANNOTATORS = {"annotator", "rater", "worker", "labeler", "labeller", "reviewer"}
"""Words in the name of a column that says who judged."""
PICTURES = ("<image>", "<image_1>", "<video>", "<audio>", "<|image|>", "<|image_pad|>")
EITHER: tuple[Content, ...] = ("text", "number", "messages", "other")
NO_COLUMNS = {"shape", "direction", "pairs", "liked"}
"""Parts of a layout that name no column."""
GOLD = {"facts", "gold_chosen", "gold_rejected", "evaluation_prompt", "row"}

Row = Mapping[str, Any]


def with_context(layout: Layout, columns: Mapping[str, Column], given: Mapping[str, Any]) -> Layout:
    """Add the columns that stand before the prompt, whatever the shape; what is given stays."""
    rest = {name: column for name, column in columns.items() if name not in used_columns(layout)}
    system = layout.system or ("" if "system" in given else named(rest, SYSTEM, EITHER))
    rest.pop(system, None)
    history = layout.history or ("" if "history" in given else named(rest, HISTORY, EITHER))
    rest.pop(history, None)
    tools = layout.tools or ("" if "tools" in given else named(rest, TOOLS, EITHER))
    rest.pop(tools, None)
    annotator = layout.annotator or ("" if "annotator" in given else _annotator(layout, rest))
    return replace(layout, system=system, history=history, tools=tools, annotator=annotator)


def _annotator(layout: Layout, rest: Mapping[str, Column]) -> str:
    """The column that names who judged a row, where one column holds the judgement."""
    if layout.shape in ("demonstrations", "lists", "rated") or len(layout.labels) > 1:
        return ""
    several = (c.name for c in rest.values() if ANNOTATORS & set(c.words) and len(c.codes) > 1)
    return next(several, "")


def used_columns(layout: Layout) -> set[str]:
    """Return the names of all columns that play a part."""
    used = set(GOLD)
    for item in fields(layout):
        value = getattr(layout, item.name)
        if item.name not in NO_COLUMNS and isinstance(value, str | tuple):
            used |= {value} if isinstance(value, str) else set(value)
    return (used | {name.split(".")[0] for name in used}) - {""}


def unused_columns(columns: Sequence[str], layout: Layout | None) -> list[str]:
    """Return the columns that nothing is read from."""
    used = used_columns(layout) if layout is not None else set()
    return [name for name in columns if name not in used]


def context_turns(row: Row, layout: Layout) -> list[Turn]:
    """Return what stands before the prompt: the system's text, then the earlier turns.

    Raises:
        RowError: One of the two columns holds neither text nor turns.
    """
    turns: list[Turn] = []
    for part, speaker in (("system", "system"), ("history", "")):
        column = getattr(layout, part)
        value = row.get(column) if column else None
        if not value or is_missing_text(value) or (isinstance(value, str) and not value.strip()):
            continue
        if isinstance(value, str) and speaker:
            turns.append(Turn(speaker, value))
            continue
        try:
            turns += read_history(value)
        except DialogueError as error:
            raise RowError("wrong_type", error.why) from error
    return turns


def messages_of(turns: Sequence[Turn]) -> list[dict[str, Any]] | None:
    """Write turns as chat templates take them; None where there are none."""
    written = [{"role": turn.speaker, "content": turn.text, **(turn.extra or {})} for turn in turns]
    return written or None


def own_turns(row: Row, prompt: str) -> list[Turn]:
    """Return the turns that a row of ours keeps beside its prompt, where they are that prompt's."""
    value = row.get("messages")
    turns = _turns(value) if isinstance(value, list) and value else []
    return turns if "".join(turn.written for turn in turns) and _say(turns, prompt) else []


def _say(turns: Sequence[Turn], prompt: str) -> bool:
    plain = "\n\n".join(turn.text for turn in turns)
    return prompt in (render_prompt(turns), plain) or prompt.rstrip() == plain.rstrip()


def tools_of(row: Row, layout: Layout) -> list[Mapping[str, Any]] | None:
    """Return the functions that could be called, as JSON schemas; None where none are named."""
    value = row.get(layout.tools) if layout.tools else None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, list) or not value:
        return None
    return value if all(isinstance(tool, Mapping) for tool in value) else None


def read_history(value: Any) -> list[Turn]:  # noqa: ANN401 - whatever the file holds
    """Read earlier turns: messages, [user, assistant] pairs, or texts by turns; a text is one.

    Raises:
        DialogueError: It is none of these.
    """
    if isinstance(value, str):
        return [Turn("user", value)]
    if not isinstance(value, list) or isinstance(value[0], Mapping):
        return read_messages(value)
    flat: list[Any] = []
    for item in value:
        flat += item if isinstance(item, list) else [item]
    if not all(isinstance(text, str) or text is None for text in flat):
        raise DialogueError(Message("rows.no_history", found=json.dumps(value, default=str)[:40]))
    speakers = ("user", "assistant")
    return [Turn(speakers[i % 2], text) for i, text in enumerate(flat) if text]


def before(context: Sequence[Turn], turns: Sequence[Turn]) -> list[Turn]:
    """Put context before a dialogue, without what the dialogue itself begins with."""
    own_system = [turn for turn in turns if turn.speaker == "system"]
    system = [t for t in context if t.speaker == "system" and t not in own_system]
    earlier = [turn for turn in context if turn.speaker != "system"]
    spoken = [turn for turn in turns if turn.speaker != "system"]
    if spoken[: len(earlier)] == earlier:
        earlier = []
    return [*system, *own_system, *earlier, *spoken]


def without_answer(history: Sequence[Turn], answers: Iterable[str]) -> list[Turn]:
    """Take a dialogue column's last turn away where it is one of the answers themselves."""
    given = {text.strip() for text in answers}
    turns = list(history)
    while turns and turns[-1].speaker == "assistant" and turns[-1].text.strip() in given:
        turns.pop()
    return turns


class Unused:
    """Finds context in a row that nothing is made of.

    Args:
        layout: How the rows are read.
    """

    def __init__(self, layout: Layout) -> None:
        self._used = used_columns(layout)
        self._prompt = layout.prompt
        self._layout = layout
        self._read = [
            name
            for name in (layout.prompt, layout.chosen, layout.rejected, layout.first, layout.second)
            if name
        ]
        self._by_name: dict[str, bool] = {}

    def of(self, row: Row, prompt: str, answers: Sequence[str]) -> list[str]:
        """Name what of a row looks like context and is not in its prompt."""
        found = [
            name
            for name, value in row.items()
            if name not in self._used
            and value not in (None, "", [], {})
            and not is_missing_text(value)
            and self._is_context(name, value, prompt, answers)
        ]
        asked = row.get(self._prompt) if self._prompt else None
        if isinstance(asked, str) and asked.strip() not in prompt and asked[:1] != "[":
            found.append(self._prompt)  # two whole dialogues stand beside it, with another one
        named = self._layout.tools
        if named and row.get(named):
            found.append(named)  # a template lists them; the prompt's text does not
        found += [tag for tag in PICTURES if tag in prompt]
        for name in self._read:
            if isinstance(row.get(name), list | dict):
                found += [f"{extra} ({name})" for extra in _extras(row[name])]
        return list(dict.fromkeys(found))

    def _is_context(
        self,
        name: str,
        value: Any,  # noqa: ANN401 - any cell
        prompt: str,
        answers: Sequence[str],
    ) -> bool:
        if name not in self._by_name:
            words = set(name_words(name.split(".")[0]))
            self._by_name[name] = bool(CONTEXT_WORDS & words) and not ASIDE & words
        if isinstance(value, str):
            return self._by_name[name] and value.strip() not in prompt
        if not isinstance(value, list):
            return self._by_name[name] and not isinstance(value, int | float)
        turns = _turns(value)
        if turns and turns[-1].text.strip() in {answer.strip() for answer in answers}:
            return any(turn.text.strip() not in prompt for turn in turns[:-1])
        if turns:
            return any(turn.text.strip() not in prompt for turn in turns)
        return self._by_name[name]


def _turns(value: Any) -> list[Turn]:  # noqa: ANN401
    if not isinstance(value[0], Mapping):
        return []
    try:
        return read_messages(value)
    except DialogueError:
        return []


def _extras(value: Any) -> Iterator[str]:  # noqa: ANN401
    for message in value if isinstance(value, list) else [value]:
        if isinstance(message, Mapping):
            yield from (key for key in MESSAGE_EXTRAS if message.get(key))
