"""Recognise what a file's columns are, from their names and a sample of their content."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from drpo.data.io.limits import AmbiguousError, UnreadableError
from drpo.data.schema.column_mapping import Layout, normal_name
from drpo.data.schema.columns import (
    ANSWER,
    ASIDE,
    HISTORY,
    PROMPT,
    SIDES,
    Column,
    describe_columns,
    find_prompt,
    input_of,
    marked_pairs,
    named,
    texts,
)
from drpo.data.schema.dialogues import ends_with_assistant, is_transcript
from drpo.data.schema.preference_columns import STRONG_LABEL, judged
from drpo.data.schema.rated import list_layout, rated_layout
from drpo.i18n.message import Message

CHOSEN = {
    "chosen",
    "preferred",
    "accepted",
    "better",
    "good",
    "best",
    "winning",
    "winner",
    "positive",
    "pos",
    "selected",
    "favored",
    "favoured",
    "liked",
}
REJECTED = {
    "rejected",
    "dispreferred",
    "nonpreferred",
    "unpreferred",
    "worse",
    "bad",
    "worst",
    "losing",
    "loser",
    "negative",
    "neg",
    "unselected",
    "disliked",
}

Sample = Sequence[Mapping[str, Any]]
Given = Mapping[str, Any]
"""Parts of the layout that a person named; they are never overruled."""


def recognise(sample: Sample, name: str, given: Given) -> Layout:
    """Find the layout of a file from its first rows.

    Args:
        sample: Rows that could be read, at least one.
        name: The file's name, for messages.
        given: What a person said already.

    Raises:
        AmbiguousError: Several layouts fit; the message asks.
        UnreadableError: None fits; the message names the columns and what was expected.
    """
    columns = describe_columns(sample)
    attempts: tuple[Callable[[], Layout | None], ...] = (
        lambda: _told_apart(columns, sample, given),
        lambda: _marked(columns, sample, given),
        lambda: _unmarked(columns, given),
        lambda: list_layout(columns, sample, given),
        lambda: _demonstrations(columns, sample, given),
    )
    for attempt in attempts:
        layout = attempt()
        if layout is not None:
            return replace(layout, **given)
    shown = ", ".join(repr(column[:40]) for column in list(columns)[:12])
    raise UnreadableError(
        f"{name}: no preference pairs recognised in its columns {shown or '(none)'}. Expected "
        "prompt, chosen and rejected, or two answers with a judgement; say which is which with "
        "--map prompt=...,chosen=...,rejected=... or in the form on the Data screen."
    )


def _told_apart(columns: Mapping[str, Column], sample: Sample, given: Given) -> Layout | None:
    """Two columns say by name which answer is the better one."""
    found = _better_and_worse(columns, given)
    if found is None:
        return None
    chosen, rejected = found
    rest = {n: c for n, c in columns.items() if n not in (chosen.name, rejected.name)}
    base = Layout(
        "explicit",
        chosen=chosen.name,
        rejected=rejected.name,
        scores=_scores_of(rest),
        margin=named(rest, ("margin", "preference_margin"), ("number",)),
    )
    pair = {"chosen": chosen.name, "rejected": rejected.name}
    if "messages" in (chosen.content, rejected.content):
        history = given.get("prompt") or _dialogue_before(rest, sample)
        reason = Message("mapping.messages", **pair)
        if history:
            reason = Message("mapping.messages_after", **pair, history=history)
        return replace(base, shape="messages", prompt=history, reason=reason)
    if _are_transcripts(sample, chosen.name, rejected.name):
        return replace(base, shape="transcripts", reason=Message("mapping.transcripts", **pair))
    prompt = given.get("prompt") or find_prompt(rest)
    if prompt:
        second = input_of(rest, prompt)
        reason = Message("mapping.named", **pair, prompt=prompt)
        if second:
            reason = Message("mapping.named_input", **pair, prompt=prompt, input=second)
        return replace(base, prompt=prompt, input=second, reason=reason)
    history = named(rest, HISTORY, ("messages",))
    if history:
        reason = Message("mapping.go_on", **pair, history=history)
        return replace(base, shape="messages", prompt=history, reason=reason)
    raise AmbiguousError(
        f"{chosen.name!r} over {rejected.name!r} were found, but no column with the prompt among "
        f"{', '.join(repr(n) for n in list(rest)[:8]) or 'no others'}. Say which it is with "
        "--map prompt=COLUMN, or in the form on the Data screen."
    )


def _dialogue_before(rest: Mapping[str, Column], sample: Sample) -> str:
    """The column with what came before two message lists.

    A dialogue that ends with the assistant holds an answer, most often the chosen one: a column
    with the prompt alone is preferred to it.
    """
    dialogues = {name: column for name, column in rest.items() if not _ends_answered(name, sample)}
    return (
        named(dialogues, HISTORY, ("messages",))
        or named(rest, PROMPT)
        or named(rest, HISTORY, ("messages",))
    )


def _ends_answered(name: str, sample: Sample) -> bool:
    cells = [row[name] for row in sample if isinstance(row.get(name), list) and row[name]]
    return 2 * sum(ends_with_assistant(cell) for cell in cells) > len(cells)


def _better_and_worse(columns: Mapping[str, Column], given: Given) -> tuple[Column, Column] | None:
    if given.keys() & {"first", "second", "labels", "codes", "names", "one_hot"}:
        return None  # the person speaks of two answers and a judgement
    chosen = columns.get(given.get("chosen", "")) or _one_of(columns, CHOSEN, "the chosen answer")
    rejected = columns.get(given.get("rejected", "")) or _one_of(
        columns, REJECTED, "the rejected answer"
    )
    if chosen is None and rejected is not None:
        chosen = _other_answer(columns, rejected)
    if chosen is not None and rejected is not None:
        return chosen, rejected
    # StackExchange pairs by convention: response_j is preferred to response_k.
    found = {normal_name(name): column for name, column in columns.items()}
    if {"response_j", "response_k"} <= found.keys():
        return found["response_j"], found["response_k"]
    return None


def _other_answer(columns: Mapping[str, Column], rejected: Column) -> Column | None:
    """The one answer beside a rejected one: that it is not rejected is its judgement."""
    others = [
        column
        for column in texts(columns)
        if (ANSWER - {"text", "message", "conversation"}) & set(column.words)
        and not ASIDE & set(column.words)
        and column is not rejected
    ]
    return others[0] if len(others) == 1 else None


def _one_of(columns: Mapping[str, Column], words: set[str], what: str) -> Column | None:
    found = [
        column
        for column in texts(columns)
        if words & set(column.words) and not ASIDE & set(column.words)
    ]
    if not found:
        return None
    fewest = min(len(column.words) for column in found)
    best = [column for column in found if len(column.words) == fewest]
    if len(best) > 1:
        raise AmbiguousError(
            f"{' and '.join(repr(column.name) for column in best[:4])} could each be {what}. Say "
            "which with --map chosen=COLUMN,rejected=COLUMN, or in the form on the Data screen."
        )
    return best[0]


def _scores_of(columns: Mapping[str, Column]) -> tuple[str, ...]:
    """Find a score for each of chosen and rejected."""
    scored = {"score", "rating", "reward"}
    found = []
    for word in ("chosen", "rejected"):
        names = [
            column.name
            for column in columns.values()
            if column.content == "number" and word in column.words and scored & set(column.words)
        ]
        found.append(names[0] if len(names) == 1 else "")
    return tuple(found) if all(found) else ()


def _are_transcripts(sample: Sample, chosen: str, rejected: str) -> bool:
    cells = [row[name] for row in sample for name in (chosen, rejected) if row.get(name)]
    dialogues = sum(isinstance(cell, str) and is_transcript(cell) for cell in cells)
    return dialogues * 2 > len(cells)


def _marked(columns: Mapping[str, Column], sample: Sample, given: Given) -> Layout | None:
    """Two answers whose names differ by a mark (1 and 2, a and b), and a judgement."""
    found = [
        (first, second, markers)
        for markers in SIDES
        for first, second, stem in marked_pairs(texts(columns), markers)
        if ANSWER & set(stem) and not ASIDE & set(stem)
    ]
    if not found:
        return None
    if len(found) > 1:
        raise AmbiguousError(
            "Several columns could be the two answers: "
            + "; ".join(f"{f.name!r} and {s.name!r}" for f, s, _ in found[:4])
            + ". Say which with --map first=COLUMN,second=COLUMN."
        )
    first, second, markers = found[0]
    rest = {n: c for n, c in columns.items() if n not in (first.name, second.name)}
    asked = {column.name: column for column in texts(rest) if column.content != "messages"}
    prompt = given.get("prompt") or find_prompt(asked) or named(rest, HISTORY, ("messages",))
    whole = first.content == "messages" or _are_transcripts(sample, first.name, second.name)
    if not prompt and not whole:
        raise AmbiguousError(
            f"{first.name!r} and {second.name!r} look like the answers, but no column looks like "
            "the prompt. Say which it is with --map prompt=COLUMN."
        )
    return judged(first, second, markers, rest, prompt, given)


def _unmarked(columns: Mapping[str, Column], given: Given) -> Layout | None:
    """Two answers with names of their own, and a label whose codes name them."""
    answers = {
        column.name: column
        for column in texts(columns)
        if (ANSWER - {"text", "message"}) & {word.rstrip("s") for word in column.words}
        and not ASIDE & set(column.words)
    }
    labels = [c for c in columns.values() if STRONG_LABEL & set(c.words) and c.name not in answers]
    if len(answers) != 2 or not (labels or given.get("labels")):
        return None
    first, second = answers.values()
    rest = {n: c for n, c in columns.items() if n not in answers}
    prompt = given.get("prompt") or find_prompt(rest)
    return judged(first, second, ("", ""), rest, prompt, given) if prompt else None


def _demonstrations(columns: Mapping[str, Column], sample: Sample, given: Given) -> Layout | None:
    """A prompt and one answer: nothing to compare, but good to reset into."""
    messages = named(columns, ("messages", "conversations", "conversation"), ("messages",))
    if messages:
        reason = Message("mapping.demonstrations_dialogues", messages=messages)
        return Layout("demonstrations", prompt=messages, response=messages, reason=reason)
    response = given.get("response") or named(
        columns,
        ("response", "output", "completion", "answer", "demonstration", "summary", "target"),
    )
    rest = {n: c for n, c in columns.items() if n != response}
    prompt = given.get("prompt") or find_prompt(rest)
    if not response or not prompt:
        return None
    base = Layout(
        "demonstrations",
        prompt=prompt,
        input=input_of(rest, prompt),
        response=response,
        reason=Message("mapping.demonstrations", prompt=prompt, response=response),
    )
    return rated_layout(base, columns, sample, given)
