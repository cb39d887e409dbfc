"""Turn one row into a pair, or say why it cannot become one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from drpo.data.io.readers import RawRow
from drpo.data.pairs import Pair
from drpo.data.quality.problems import Problems
from drpo.data.schema.agreement import Agreement
from drpo.data.schema.column_mapping import Layout, number_of
from drpo.data.schema.columns import messages_in_text
from drpo.data.schema.dialogues import (
    ROLE_LABEL,
    Dialogue,
    DialogueError,
    Turn,
    cut_messages,
    cut_transcripts,
    is_transcript,
    read_messages,
)
from drpo.data.schema.outcomes import QUOTE_CHARS, outcome_of
from drpo.data.schema.row_error import RowError
from drpo.i18n.message import Message

NOTED = ("negative_margin", "role_label")
"""Kinds of problem that only reading finds and that leave a row usable."""


class Converter:
    """Turns rows into pairs by a layout, keeping account of those it cannot use."""

    def __init__(self, layout: Layout, problems: Problems) -> None:
        self.layout = layout
        self.problems = problems
        self.agreement = Agreement()

    def convert(self, raw: RawRow) -> Pair | None:
        """Return the pair of a row, or its demonstration; None if it cannot be one, noted why."""
        if raw.value is None:
            self.problems.add("unparseable", raw.number, raw.problem)
            return None
        try:
            if self.layout.shape == "demonstrations":
                return _demonstration(raw.value, raw.number, self.layout)
            pair = self._pair(raw.value, raw.number)
        except RowError as error:
            self.problems.add(error.kind, raw.number, error.detail)
            return None
        self._warn(pair)
        return pair

    def _pair(self, row: Mapping[str, Any], number: int) -> Pair:
        layout = self.layout
        if layout.shape == "answers":
            outcome, margin = outcome_of(row, layout, self.agreement)
            if outcome in ("tie", "unjudged"):
                raise RowError(outcome)
            columns = (layout.first, layout.second)
            chosen, rejected = columns if outcome == "first" else columns[::-1]
        else:
            chosen, rejected, margin = layout.chosen, layout.rejected, self._margin(row)
        dialogue = check_dialogue(self._dialogue(row, chosen, rejected))
        return Pair(
            *dialogue,
            facts=_facts(row.get("facts")),
            gold_chosen=number_of(row.get("gold_chosen")),
            gold_rejected=number_of(row.get("gold_rejected")),
            row=number,
            margin=margin,
            evaluation_prompt=_flag(row.get("evaluation_prompt")),
        )

    def _dialogue(self, row: Mapping[str, Any], chosen: str, rejected: str) -> Dialogue:
        better, worse = _answer(row, chosen), _answer(row, rejected)
        prompt = _prompt(row, self.layout)
        structured = not isinstance(better, str) or not isinstance(worse, str)
        if structured or isinstance(prompt, list):
            return _from_messages(prompt, better, worse)
        whole = self.layout.shape == "transcripts" or (not prompt and not self.layout.prompt)
        if whole:
            if not better.strip() or not worse.strip():
                empty = chosen if not better.strip() else rejected
                raise RowError("empty_answer", Message("rows.part", part=empty))
            if not (is_transcript(better) and is_transcript(worse)):
                raise RowError("wrong_type", Message("rows.no_transcripts"))
            try:
                return cut_transcripts(better, worse)
            except DialogueError as error:
                kind = "same_answers" if better == worse else "diverges"
                raise RowError(kind, error.why) from error
        return join_plain(prompt, better, worse)

    def _margin(self, row: Mapping[str, Any]) -> float | None:
        if self.layout.margin:
            return number_of(row.get(self.layout.margin))
        if self.layout.scores:
            chosen, rejected = (number_of(row.get(name)) for name in self.layout.scores)
            if chosen is not None and rejected is not None:
                return chosen - rejected
        return None

    def _warn(self, pair: Pair) -> None:
        if pair.margin is not None and pair.margin < 0:
            detail = Message("rows.margin", margin=pair.margin)
            self.problems.add("negative_margin", pair.row, detail)
        for name, text in (("chosen", pair.chosen), ("rejected", pair.rejected)):
            if ROLE_LABEL.search(text):
                self.problems.add("role_label", pair.row, Message("rows.part", part=name))
                break


def check_dialogue(dialogue: Dialogue) -> Dialogue:
    """Make sure that both answers can be trained on.

    Raises:
        RowError: The prompt or an answer is empty, they are equal, or cannot be written as UTF-8.
    """
    if not dialogue.prompt.strip():
        raise RowError("empty_prompt")
    for name, text in (("chosen", dialogue.chosen), ("rejected", dialogue.rejected)):
        if not text.strip():
            raise RowError("empty_answer", Message("rows.part", part=name))
    if dialogue.chosen.strip() == dialogue.rejected.strip():
        raise RowError("same_answers")
    for name, text in zip(Dialogue._fields, dialogue, strict=True):
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                where = Message("rows.unwritable", part=name, place=error.start + 1)
                raise RowError("broken_text", where) from error
    return dialogue


def join_plain(prompt: str, chosen: str, rejected: str) -> Dialogue:
    """Give prompt and answers the whitespace that separates them in the trained text.

    Whitespace that both answers share, or that ends the prompt, is kept as it is. Otherwise a
    prompt that ends in a colon (`TL;DR:`) is followed by a space, any other by an empty line, and
    the same goes before both answers: a stray space must not tell them apart.
    """
    spaces = [text[: len(text) - len(text.lstrip())] for text in (chosen, rejected)]
    if spaces[0] == spaces[1] and (spaces[0] or prompt[-1:].isspace()):
        return Dialogue(prompt, chosen, rejected)
    if not chosen.strip() or not rejected.strip():
        return Dialogue(prompt, chosen, rejected)
    chosen, rejected = chosen.lstrip(), rejected.lstrip()
    if prompt[-1:].isspace():
        return Dialogue(prompt, chosen, rejected)
    if prompt.endswith((":", "：")):
        return Dialogue(prompt, " " + chosen, " " + rejected)
    return Dialogue(prompt + "\n\n" if prompt.strip() else prompt, chosen, rejected)


def _demonstration(row: Mapping[str, Any], number: int, layout: Layout) -> Pair:
    """A row of a demonstrations file as a record whose `chosen` is its answer."""
    prompt, answer = _prompt(row, layout), _answer(row, layout.response)
    if layout.prompt == layout.response or isinstance(prompt, list) or not isinstance(answer, str):
        before = [] if layout.prompt == layout.response else prompt
        # Two answers that differ, cut alike: the second is only there to be thrown away.
        dialogue = _from_messages(before, answer, answer)
    else:
        dialogue = join_plain(prompt, answer, answer)
    check_dialogue(Dialogue(dialogue.prompt, dialogue.chosen, dialogue.rejected + "."))
    return Pair(dialogue.prompt, dialogue.chosen, "", row=number, facts=_facts(row.get("facts")))


def _answer(row: Mapping[str, Any], column: str) -> Any:  # noqa: ANN401 - text or messages
    value = row.get(column)
    if value is None:
        raise RowError("wrong_type", Message("rows.missing", column=column))
    if isinstance(value, bool) or not isinstance(value, str | list | dict):
        shown = json.dumps(value, default=str)[:QUOTE_CHARS]
        raise RowError("wrong_type", Message("rows.not_text", column=column, found=shown))
    if isinstance(value, str):
        return messages_in_text(value) or value
    return value


def _prompt(row: Mapping[str, Any], layout: Layout) -> Any:  # noqa: ANN401 - text or messages
    if not layout.prompt:
        return ""
    value = row.get(layout.prompt)
    if isinstance(value, str):
        value = messages_in_text(value) or value
    if isinstance(value, list) and value:
        return value
    if not isinstance(value, str):
        if value is None or value == []:
            raise RowError("empty_prompt", Message("rows.missing", column=layout.prompt))
        shown = json.dumps(value, default=str)[:QUOTE_CHARS]
        raise RowError("wrong_type", Message("rows.not_text", column=layout.prompt, found=shown))
    parts = [row.get(layout.system) if layout.system else "", value]
    parts.append(row.get(layout.input) if layout.input else "")
    kept = [part for part in parts if isinstance(part, str) and part.strip()]
    return "\n\n".join(kept) if len(kept) > 1 else value


def _from_messages(prompt: Any, better: Any, worse: Any) -> Dialogue:  # noqa: ANN401
    try:
        chosen, rejected = read_messages(better), read_messages(worse)
        before = [Turn("user", prompt)] if isinstance(prompt, str) else read_messages(prompt)
        if any(message.speaker == "user" for message in chosen) or before == [Turn("user", "")]:
            before = []  # the lists hold the whole dialogue themselves
    except DialogueError as error:
        raise RowError("wrong_type", error.why) from error
    try:
        return cut_messages(before, chosen, rejected)
    except DialogueError as error:
        kind = "diverges" if chosen[:-1] != rejected[:-1] else "wrong_type"
        raise RowError(kind, error.why) from error


def _facts(value: Any) -> dict[str, str] | None:  # noqa: ANN401
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict) or not value:
        return None
    # Arrow fills the slots a row does not have with nulls.
    return {str(slot): str(word) for slot, word in value.items() if word is not None}


def _flag(value: Any) -> bool | None:  # noqa: ANN401
    """True for true in any of its spellings; anything else says nothing."""
    return True if value is True or str(value).strip().casefold() in ("true", "1") else None
