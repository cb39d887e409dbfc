"""Every kind of problem a row or a file may have: how bad, what it means, what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["blocker", "warning"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem, in words for the report."""

    code: str
    severity: Severity
    title: str
    remedy: str
    usable: bool
    """Whether a row with only this problem still becomes a pair."""


def _kinds() -> dict[str, Kind]:
    blocked = [
        (
            "unparseable",
            "rows that cannot be read",
            "Repair or delete these rows; they are left out.",
        ),
        (
            "wrong_type",
            "a field is missing or of the wrong type",
            "Give text (or messages) in each of the fields; these rows are left out.",
        ),
        (
            "empty_prompt",
            "empty prompt",
            "Delete these rows or fill in the prompt; they are left out.",
        ),
        (
            "empty_answer",
            "empty answer",
            "Delete these rows or fill in the answer; they are left out.",
        ),
        (
            "same_answers",
            "chosen equals rejected",
            "Such a row teaches nothing; delete it. These rows are left out.",
        ),
        (
            "diverges",
            "the two transcripts part before the last turn",
            "Both must share every turn but the last answer; these rows are left out.",
        ),
        (
            "broken_text",
            "characters that cannot be written (half of a surrogate pair)",
            "Write the file again from its source as UTF-8; these rows are left out.",
        ),
        (
            "unknown_label",
            "a judgement of unknown meaning",
            "Say what it means with --map first_is=...,second_is=...; these rows are left out.",
        ),
    ]
    # The limit is the run's, which may stop at such rows or drop them; a pair it is all the same.
    over_limit = Kind(
        "long_prompt",
        "blocker",
        "prompt over the token limit",
        "Shorten it, raise max_prompt_length, or leave such rows out.",
        usable=True,
    )
    set_apart = [
        ("unjudged", "not judged", "Nobody said which answer is better; these rows are set apart."),
        ("tie", "tie", "Judged equally good; these rows are set apart, not forced either way."),
        (
            "no_majority",
            "annotators disagree without a majority",
            "Ask one more annotator; these rows are set apart.",
        ),
    ]
    warned = [
        (
            "duplicate",
            "exact duplicates",
            "Keep one of each: they count double in training and leak into evaluation.",
        ),
        (
            "near_duplicate",
            "near duplicates",
            "Look at some; keep one of each if they say the same.",
        ),
        (
            "conflict",
            "conflicting pairs (A over B and B over A)",
            "Drop both, or keep what the majority says.",
        ),
        (
            "role_label",
            "an answer begins with, or runs on into, another speaker",
            "The policy would learn to write the other's part; leave such rows out.",
        ),
        (
            "control_characters",
            "control characters",
            "Usually the trace of a broken export; remove them.",
        ),
        (
            "mixed_language",
            "prompt and answers in different scripts",
            "Meant in translation tasks; else leave them out.",
        ),
        (
            "dropped_characters",
            "characters the tokenizer drops or does not know",
            "The model never sees them; choose another model or leave the rows out.",
        ),
        (
            "long_answer",
            "answer that does not end within the response length",
            "Raise response_length, or expect that such answers are never finished.",
        ),
        (
            "short_answer",
            "answer with fewer than two tokens, its end counted",
            "There is no place in it to reset to: its episodes start at the prompt.",
        ),
        (
            "negative_margin",
            "chosen scored below rejected",
            "Check that the two columns were not swapped.",
        ),
    ]
    kinds = [Kind(code, "blocker", title, todo, usable=False) for code, title, todo in blocked]
    kinds += [over_limit]
    kinds += [Kind(code, "warning", title, todo, usable=False) for code, title, todo in set_apart]
    kinds += [Kind(code, "warning", title, todo, usable=True) for code, title, todo in warned]
    return {kind.code: kind for kind in kinds}


KINDS = _kinds()
"""By code, in the order of the report."""


@dataclass(slots=True)
class Tally:
    """All rows with one kind of problem; the rows are all kept, few details are."""

    rows: list[int] = field(default_factory=list)
    details: dict[int, str] = field(default_factory=dict)


MOST_DETAILS = 50


class Problems:
    """Problems by kind, in a form that two hundred thousand of them do not burst."""

    def __init__(self) -> None:
        self._by_kind: dict[str, Tally] = {}

    def add(self, kind: str, row: int, detail: str = "") -> None:
        """Note one."""
        if kind not in KINDS:
            raise ValueError(f"unknown kind of problem {kind!r}")
        tally = self._by_kind.setdefault(kind, Tally())
        tally.rows.append(row)
        if detail and len(tally.details) < MOST_DETAILS:
            tally.details[row] = detail

    def rows(self, kind: str) -> list[int]:
        """Return the rows with this kind of problem, ascending."""
        tally = self._by_kind.get(kind)
        return sorted(set(tally.rows)) if tally else []

    def detail(self, kind: str, row: int) -> str:
        """Return what exactly was wrong, where it was kept."""
        tally = self._by_kind.get(kind)
        return tally.details.get(row, "") if tally else ""

    def counts(self) -> dict[str, int]:
        """Return how many rows each kind has, in the order of the report."""
        return {code: len(self.rows(code)) for code in KINDS if code in self._by_kind}
