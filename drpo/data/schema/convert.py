"""Turn one row into a pair, or say why it cannot become one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from drpo.data.io.readers import RawRow
from drpo.data.pairs import Pair
from drpo.data.quality.problems import Problems
from drpo.data.schema.agreement import Agreement
from drpo.data.schema.cells import is_missing_text
from drpo.data.schema.column_mapping import Layout, Outcome, number_of
from drpo.data.schema.context import (
    Unused,
    before,
    context_turns,
    messages_of,
    own_turns,
    tools_of,
    without_answer,
)
from drpo.data.schema.dialogues import (
    ASSISTANT,
    HUMAN,
    ROLE_LABEL,
    Dialogue,
    DialogueError,
    Turn,
    by_turns,
    cut_messages,
    cut_transcripts,
    is_transcript,
    read_messages,
    render_prompt,
)
from drpo.data.schema.outcomes import QUOTE_CHARS, outcome_of
from drpo.data.schema.plain_text import join_context
from drpo.data.schema.rated import is_liked
from drpo.data.schema.row_error import RowError
from drpo.i18n.message import Message

NOTED = ("negative_margin", "role_label", "unused_context", "answer_quoted", "tools")
"""Kinds of problem that only reading finds and that leave a row usable."""


TELLING_CHARS = 20


class Converter:
    """Turns rows into pairs by a layout, keeping account of those it cannot use."""

    def __init__(self, layout: Layout, problems: Problems) -> None:
        self.layout = layout
        self.problems = problems
        self.agreement = Agreement()
        self._unused = Unused(layout)

    def convert(self, raw: RawRow) -> Pair | None:
        """Return the pair of a row, or its demonstration; None if it cannot be one, noted why."""
        if raw.value is None:
            self.problems.add("unparseable", raw.number, raw.problem)
            return None
        try:
            if self.layout.shape == "demonstrations":
                pair = _demonstration(raw.value, raw.number, self.layout)
            else:
                pair = self._pair(raw.value, raw.number)
        except RowError as error:
            self.problems.add(error.kind, raw.number, error.detail)
            return None
        self._warn(pair)
        self._warn_of_context(raw.value, pair)
        return pair

    def _pair(self, row: Mapping[str, Any], number: int) -> Pair:
        layout = self.layout
        if layout.shape == "answers":
            outcome, margin = self._judged(row, number)
            if outcome in ("tie", "unjudged"):
                raise RowError(outcome)
            columns = (layout.first, layout.second)
            chosen, rejected = columns if outcome == "first" else columns[::-1]
        else:
            chosen, rejected, margin = layout.chosen, layout.rejected, self._margin(row)
            self._vote(row, (chosen, rejected), "first", number)
        dialogue = check_dialogue(self._dialogue(row, chosen, rejected))
        return Pair(
            *dialogue.texts,
            facts=_facts(row.get("facts")),
            gold_chosen=number_of(row.get("gold_chosen")),
            gold_rejected=number_of(row.get("gold_rejected")),
            row=number,
            margin=margin,
            evaluation_prompt=_flag(row.get("evaluation_prompt")),
            messages=messages_of(dialogue.history or own_turns(row, dialogue.prompt)),
            tools=tools_of(row, layout),
        )

    def _judged(self, row: Mapping[str, Any], number: int) -> tuple[Outcome, float | None]:
        """Which answer a row prefers; what each annotator said is kept, whatever follows."""
        layout = self.layout
        votes: list[Outcome] = []
        try:
            outcome, margin = outcome_of(row, layout, votes)
        finally:
            if len(votes) > 1:
                prompt = str(row.get(layout.prompt)) if layout.prompt else None
                self.agreement.add(number, votes, layout.labels, row=number, prompt=prompt)
        self._vote(row, (layout.first, layout.second), outcome, number)
        return outcome, margin

    def _vote(
        self, row: Mapping[str, Any], answers: tuple[str, str], outcome: Outcome, number: int
    ) -> None:
        """Keep the judgement of the one annotator whose row it is, where a column names them."""
        name = row.get(self.layout.annotator) if self.layout.annotator else None
        if name is None or name == "":
            return
        prompt = str(row.get(self.layout.prompt)) if self.layout.prompt else None
        texts = [str(row.get(answer)) for answer in answers]
        if texts != sorted(texts) and outcome in ("first", "second"):
            outcome = "second" if outcome == "first" else "first"
        item = hash((prompt, *sorted(texts)))
        self.agreement.add(item, [outcome], [str(name)[:80]], row=number, prompt=prompt)

    def _dialogue(self, row: Mapping[str, Any], chosen: str, rejected: str) -> Dialogue:
        better, worse = _answer(row, chosen), _answer(row, rejected)
        prompt, context = _prompt(row, self.layout), context_turns(row, self.layout)
        texts = isinstance(better, str) and isinstance(worse, str) and isinstance(prompt, str)
        if texts and (self.layout.shape == "transcripts" or not (prompt or self.layout.prompt)):
            return _from_transcripts(context, {chosen: better, rejected: worse})
        if not texts or any(turn.speaker != "system" for turn in context):
            return _from_messages(context, prompt, better, worse)
        return join_context(context, prompt, better, worse)

    def _margin(self, row: Mapping[str, Any]) -> float | None:
        if self.layout.margin:
            return number_of(row.get(self.layout.margin))
        if self.layout.scores:
            chosen, rejected = (number_of(row.get(name)) for name in self.layout.scores)
            if chosen is not None and rejected is not None:
                return chosen - rejected
        return None

    def _warn_of_context(self, row: Mapping[str, Any], pair: Pair) -> None:
        unused = self._unused.of(row, pair.prompt, (pair.chosen, pair.rejected))
        if unused:
            named = ", ".join(map(repr, unused[:6]))[:200]
            self.problems.add("unused_context", pair.row, Message("rows.unused", names=named))
        for name, text in (("chosen", pair.chosen), ("rejected", pair.rejected)):
            if len(text) > 2 * TELLING_CHARS and text.strip() in pair.prompt:
                detail = Message("rows.part", part=name)
                self.problems.add("answer_quoted", pair.row, detail)
                break

    def _warn(self, pair: Pair) -> None:
        silent = [n for n, said in enumerate(pair.messages or (), 1) if not said["content"]]
        if silent:
            self.problems.add("tools", pair.row, Message("rows.tool_call", number=silent[0]))
        elif pair.tools:
            self.problems.add("tools", pair.row, Message("rows.tools", count=len(pair.tools)))
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
    if _ends_with_answer(dialogue):
        raise RowError("answer_in_prompt")
    for name, text in zip(Dialogue._fields, dialogue.texts, strict=False):
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                where = Message("rows.unwritable", part=name, place=error.start + 1)
                raise RowError("broken_text", where) from error
    return dialogue


def _ends_with_answer(dialogue: Dialogue) -> bool:
    """Whether the prompt ends with an answer, or an earlier turn of the assistant is one.

    Short answers ("Yes.") may well stand there rightly.
    """
    prompt = dialogue.prompt.rstrip().removesuffix(ASSISTANT.strip()).rstrip()
    for answer in (dialogue.chosen.strip(), dialogue.rejected.strip()):
        if len(answer) < TELLING_CHARS:
            continue
        if prompt.endswith(answer) or f"{ASSISTANT} {answer}{HUMAN}" in prompt:
            return True
    return False


def _demonstration(row: Mapping[str, Any], number: int, layout: Layout) -> Pair:
    """A row of a demonstrations file as a record whose `chosen` is its answer."""
    if layout.rating and not is_liked(row, layout):
        raise RowError("not_liked")
    prompt, answer = _prompt(row, layout), _answer(row, layout.response)
    context = context_turns(row, layout)
    spoken = any(turn.speaker != "system" for turn in context)
    whole = layout.prompt == layout.response or isinstance(prompt, list)
    if whole or spoken or not isinstance(answer, str):
        asked = [] if layout.prompt == layout.response else prompt
        # Two answers that differ, cut alike: the second is only there to be thrown away.
        dialogue = _from_messages(context, asked, answer, answer)
    else:
        dialogue = join_context(context, prompt, answer, answer)
    check_dialogue(Dialogue(dialogue.prompt, dialogue.chosen, dialogue.rejected + "."))
    return Pair(
        dialogue.prompt,
        dialogue.chosen,
        "",
        row=number,
        facts=_facts(row.get("facts")),
        messages=messages_of(dialogue.history),
        tools=tools_of(row, layout),
    )


def _answer(row: Mapping[str, Any], column: str) -> Any:  # noqa: ANN401 - text or messages
    value = row.get(column)
    if value is None:
        raise RowError("wrong_type", Message("rows.missing", column=column))
    if isinstance(value, bool) or not isinstance(value, str | list | dict):
        shown = json.dumps(value, default=str)[:QUOTE_CHARS]
        raise RowError("wrong_type", Message("rows.not_text", column=column, found=shown))
    if is_missing_text(value):
        raise RowError("empty_answer", Message("rows.missing_word", part=column, found=value))
    return value


def _prompt(row: Mapping[str, Any], layout: Layout) -> Any:  # noqa: ANN401 - text or messages
    if not layout.prompt:
        return ""
    value = row.get(layout.prompt)
    if is_missing_text(value):
        raise RowError(
            "empty_prompt", Message("rows.missing_word", part=layout.prompt, found=value)
        )
    if isinstance(value, list) and value:
        return value
    if not isinstance(value, str):
        if value is None or value == []:
            raise RowError("empty_prompt", Message("rows.missing", column=layout.prompt))
        shown = json.dumps(value, default=str)[:QUOTE_CHARS]
        raise RowError("wrong_type", Message("rows.not_text", column=layout.prompt, found=shown))
    parts = [value, row.get(layout.input) if layout.input else ""]
    kept = [p for p in parts if isinstance(p, str) and p.strip() and not is_missing_text(p)]
    return "\n\n".join(kept) if len(kept) > 1 else value


def _from_transcripts(context: Sequence[Turn], answers: Mapping[str, str]) -> Dialogue:
    """Cut two whole dialogues, by their columns' names, and put what was said before them."""
    for column, text in answers.items():
        if not text.strip():
            raise RowError("empty_answer", Message("rows.part", part=column))
    better, worse = answers.values()
    if not (is_transcript(better) and is_transcript(worse)):
        raise RowError("wrong_type", Message("rows.no_transcripts"))
    try:
        cut = cut_transcripts(better, worse)
    except DialogueError as error:
        kind = "same_answers" if better == worse else "diverges"
        raise RowError(kind, error.why) from error
    told = render_prompt(context).removesuffix(ASSISTANT)
    return cut if cut.prompt.startswith(told) else cut._replace(prompt=told + cut.prompt)


def _from_messages(
    context: Sequence[Turn],
    prompt: Any,  # noqa: ANN401 - text or messages
    better: Any,  # noqa: ANN401
    worse: Any,  # noqa: ANN401
) -> Dialogue:
    try:
        prompt, better, worse = by_turns(prompt, better, worse)
        chosen, rejected = read_messages(better), read_messages(worse)
        asked = [Turn("user", prompt)] if isinstance(prompt, str) else read_messages(prompt)
        if any(message.speaker == "user" for message in chosen) or asked == [Turn("user", "")]:
            # The lists hold the whole dialogue themselves, all but what the system said.
            asked = [turn for turn in asked if turn.speaker == "system" and turn not in chosen]
    except DialogueError as error:
        raise RowError("wrong_type", error.why) from error
    answers = [turns[-1].text for turns in (chosen, rejected) if turns]
    for part, turns in zip(("chosen", "rejected"), (chosen, rejected), strict=True):
        if turns and turns[-1].extra and not turns[-1].text.strip():
            raise RowError("empty_answer", Message("rows.answer_call", part=part))
    for part, text in zip(("chosen", "rejected"), answers, strict=False):
        if not text.strip():
            raise RowError("empty_answer", Message("rows.part", part=part))
    asked = without_answer(asked, answers)
    history = before(context, [*asked, *chosen[:-1]])
    shared = len(chosen) - 1
    if chosen[:-1] != rejected[:-1]:
        shared, history = 0, before(context, asked)
    try:
        return cut_messages(history, chosen[shared:], rejected[shared:])
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
