"""What says which of two answers is better: a label, annotators, scores, or flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from drpo.data.io.limits import AmbiguousError
from drpo.data.schema.column_mapping import Layout
from drpo.data.schema.columns import MOST_CODES, SIDES, Column, input_of, marked_pairs
from drpo.data.schema.label_codes import decide_codes
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
    scores = () if chosen_by_hand else _score_pair(rest, markers)
    labels = chosen_by_hand or find_labels(rest)
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
    values = {code for label in labels for code in label.codes}
    codes = given.get("codes") or decide_codes(
        values, (first.name, second.name), markers, labels[0].name
    )
    said = ", ".join(f"{code} = {outcome}" for code, outcome in codes.items() if code in values)
    if len(labels) > 1:
        reason = Message("mapping.annotators", **answers, count=len(labels), codes=said)
    else:
        reason = Message("mapping.label", **answers, label=labels[0].name, codes=said)
    return replace(base, labels=label_names, codes=codes, reason=reason)


def find_labels(rest: Mapping[str, Column]) -> list[Column]:
    """Return the column, or the annotators' columns, that say which answer is better."""
    few = [
        c
        for c in rest.values()
        if c.content != "messages"
        and 0 < len(c.codes) <= MOST_CODES
        and not NEVER_LABEL & set(c.words)
    ]
    strong = [c for c in few if STRONG_LABEL & set(c.words) and "id" not in c.words]
    strong = strong or [c for c in few if STRONG_LABEL & set(c.words)]
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
    weak = [c for c in few if WEAK_LABEL & set(c.words)]
    return weak if len(weak) == 1 else []


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


def _score_pair(rest: Mapping[str, Column], markers: tuple[str, str]) -> tuple[str, ...]:
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
