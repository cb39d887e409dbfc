"""What says which of two answers is better: a label, annotators, scores, or flags."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from drpo.data.io.limits import AmbiguousError
from drpo.data.schema.column_mapping import Layout
from drpo.data.schema.columns import MOST_CODES, SIDES, Column, input_of, marked_pairs
from drpo.data.schema.degree_words import strengths_of
from drpo.data.schema.label_codes import CONVENTIONS, code_readings, decide_codes, question_of
from drpo.i18n.message import Message

STRONG_LABEL = {
    "winner",
    "preferred",
    "preference",
    "label",
    "labels",
    "choice",
    "better",
    "judgment",
    "judgement",
    "vote",
    "annotator",
    "rater",
    "annotation",
    "verdict",
    "chosen",
}
WEAK_LABEL = {"score", "rating", "result", "rank", "judge", "overall"}
PERSON = {"annotator", "rater"}
"""Columns named so hold judgements or who judged."""
MOST_DEGREES = 100
MOST_LABEL_CHARS = 60
HASH = re.compile(r"[0-9a-f]{12,}|[0-9a-f]{8}-[0-9a-f-]{20,}")
NEVER_LABEL = {"reason", "explanation", "model", "text", "time", "language", "confidence"}


def judged(
    first: Column,
    second: Column,
    markers: tuple[str, str],
    rest: Mapping[str, Column],
    prompt: str,
    given: Mapping[str, Any],
) -> Layout:
    """Complete a layout of two answers by what says which one is better.

    Args:
        first: One answer's column.
        second: The other's.
        markers: What tells their names apart, empty where nothing does.
        rest: All other columns.
        prompt: The prompt's column, empty where the answers hold whole dialogues.
        given: What a person said already.

    Raises:
        AmbiguousError: Nothing says which is better, or what says so could mean two things.
    """
    base = Layout(
        "answers",
        prompt=prompt,
        first=first.name,
        second=second.name,
        input=input_of(rest, prompt) if prompt else "",
    )
    answers = {"first": first.name, "second": second.name}
    chosen_by_hand = [rest[name] for name in given.get("labels", ()) if name in rest]
    if given.get("scores"):
        reason = Message("mapping.scores_by_hand", **answers)
        return replace(base, scores=given["scores"], reason=reason)
    one_hot = () if chosen_by_hand else _one_hot(rest)
    if one_hot:
        flags = ", ".join(map(repr, one_hot))
        reason = Message("mapping.one_hot", **answers, flags=flags)
        return replace(base, one_hot=one_hot, reason=reason)
    scores = () if chosen_by_hand else score_pair(rest, markers)
    labels = chosen_by_hand or find_labels(rest, (first.name, second.name), markers)
    if scores and not any(STRONG_LABEL & set(label.words) for label in labels):
        reason = Message("mapping.scores", **answers, one=scores[0], other=scores[1])
        return replace(base, scores=scores, reason=reason)
    if not labels:
        raise AmbiguousError(
            f"{first.name!r} and {second.name!r} are the two answers, but no column says which "
            "one is better. Say which it is with --map labels=COLUMN, or in the form on the Data "
            "screen."
        )
    names = _author_columns(rest, labels)
    label_names = tuple(label.name for label in labels)
    if names:
        sides = {"one": names[0], "other": names[1]}
        reason = Message("mapping.winner_named", **answers, **sides, label=labels[0].name)
        return replace(base, labels=label_names, names=names, reason=reason)
    if is_graded(labels) or given.get("middle") is not None:
        return _graded(replace(base, labels=label_names), labels, given)
    values = {code for label in labels for code in label.codes}
    codes = decide_codes(
        values, (first.name, second.name), markers, labels[0].name, given.get("codes")
    )
    said = ", ".join(f"{code} = {outcome}" for code, outcome in codes.items() if code in values)
    if len(labels) > 1:
        reason = Message("mapping.annotators", **answers, count=len(labels), codes=said)
    else:
        reason = Message("mapping.label", **answers, label=labels[0].name, codes=said)
    strengths = strengths_of(values)
    return replace(base, labels=label_names, codes=codes, degrees=strengths, reason=reason)


def is_graded(labels: Sequence[Column]) -> bool:
    """Whether the labels are degrees on a scale: numbers that no code of two or three holds."""
    if not all(label.numeric and label.codes for label in labels):
        return False
    values = {code for label in labels for code in label.codes}
    return not any(values <= convention.keys() for convention in CONVENTIONS)


def _graded(base: Layout, labels: Sequence[Column], given: Mapping[str, Any]) -> Layout:
    """Complete a layout whose labels are degrees, if a person said which end is which."""
    low, high = min(c.low for c in labels), max(c.high for c in labels)
    middle = given.get("middle")
    if middle is None:
        middle = _middle(low, high, whole=all(label.whole for label in labels))
    if not given.get("direction"):
        ways = [{"first_is": [end], "middle": f"{middle:g}"} for end in ("low", "high")]
        ends = (f"{low:g}", f"{middle:g}", f"{high:g}")
        raise question_of(labels[0].name, ends, (base.first, base.second), ways)
    reason = Message(
        "mapping.graded",
        first=base.first,
        second=base.second,
        label=labels[0].name,
        end=Message(f"mapping.end_{given['direction']}"),
        middle=f"{middle:g}",
    )
    return replace(base, direction=given["direction"], middle=middle, reason=reason)


def _middle(low: float, high: float, *, whole: bool) -> float:
    """The value of a scale that prefers neither, to be offered."""
    if low < 0:
        return 0.0
    if high <= 1:
        return 0.5
    # Of whole numbers from 1 on, the scale's end may not occur: its length is odd (5, 7, 9).
    if whole and low >= 1:
        return (1 + (high if high % 2 else high + 1)) / 2
    return (low + high) / 2


def find_labels(
    rest: Mapping[str, Column], answers: tuple[str, str], markers: tuple[str, str]
) -> list[Column]:
    """Return the column, or the annotators' columns, that say which answer is better."""
    authors = {code for c in rest.values() if "model" in c.words for code in c.codes}
    can = [c for c in rest.values() if _can_judge(c, answers, markers, authors)]
    may = [c for c in rest.values() if _may_judge(c)]
    strong = next(filter(None, (_strong(few) for few in (can, may))), [])
    if len(strong) > 1:
        stems = {tuple(word for word in c.words if not word.isdigit()) for c in strong}
        numbered = all(any(word.isdigit() for word in c.words) for c in strong)
        if len(stems) > 1 or not numbered:
            raise AmbiguousError(
                f"{' and '.join(repr(c.name) for c in strong[:4])} could each say which answer is "
                "better. Say which does with --map labels=COLUMN (annotators: labels=A+B+C)."
            )
    if strong:
        return strong
    weak = [c for c in can if WEAK_LABEL & set(c.words)]
    return weak if len(weak) == 1 else []


def _strong(few: Sequence[Column]) -> list[Column]:
    strong = [c for c in few if STRONG_LABEL & set(c.words)]
    return [c for c in strong if "id" not in c.words] or strong


def _can_judge(
    column: Column, answers: tuple[str, str], markers: tuple[str, str], authors: set[str]
) -> bool:
    """Whether a column's values can say which of two is better.

    One value for all rows cannot, unless it names an answer; nor can names of persons, hashes or
    free text, whatever the column is called.
    """
    if NEVER_LABEL & set(column.words) or not column.codes or column.content == "messages":
        return False
    if column.numeric:
        return len(column.codes) > 1 and (column.high - column.low) <= MOST_DEGREES
    if not _has_few_words(column):
        return False
    if column.codes & authors:
        return True
    readings = code_readings(column.codes, answers, markers, column.name)
    sides = {outcome for reading in readings for outcome in reading.values()} - {"tie"}
    return bool(sides)


def _may_judge(column: Column) -> bool:
    return _has_few_words(column) and len(column.codes) > 1 and not PERSON & set(column.words)


def _has_few_words(column: Column) -> bool:
    if NEVER_LABEL & set(column.words) or column.content == "messages":
        return False
    if not 0 < len(column.codes) <= MOST_CODES or (column.numeric and len(column.codes) == 1):
        return False
    return not any(len(code) > MOST_LABEL_CHARS or HASH.fullmatch(code) for code in column.codes)


def _one_hot(rest: Mapping[str, Column]) -> tuple[str, ...]:
    flags = [c for c in rest.values() if c.codes and c.codes <= {"0", "1", "true", "false"}]
    for first, second in combinations(flags, 2):
        stem = set(first.words) & set(second.words)
        if not stem & {"winner", "win", "wins", "preferred", "better"}:
            continue
        only = (set(first.words) - stem, set(second.words) - stem)
        if only == ({"a"}, {"b"}) or only == ({"1"}, {"2"}):
            tie = next((c.name for c in flags if "tie" in c.words), "")
            return (first.name, second.name, tie)
    return ()


def score_pair(rest: Mapping[str, Column], markers: tuple[str, str]) -> tuple[str, ...]:
    """Return the columns with a score for each answer, marked as the answers are."""
    numbers = [c for c in rest.values() if c.content == "number"]
    for first, second, stem in marked_pairs(numbers, markers):
        if {"score", "rating", "reward"} & set(stem):
            return (first.name, second.name)
    return ()


def _author_columns(rest: Mapping[str, Column], labels: Sequence[Column]) -> tuple[str, ...]:
    """Find columns with the answers' authors, when the label names the winning author."""
    texts = [c for c in rest.values() if c.content == "text"]
    for markers in SIDES:
        for first, second, stem in marked_pairs(texts, markers):
            known = first.codes | second.codes
            winners = {code for label in labels for code in label.codes if len(code) > 1}
            if "model" in stem and len(labels) == 1 and winners and winners & known:
                return (first.name, second.name)
    return ()
