"""Every kind of problem a row or a file may have: how bad, what it means, what to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from drpo.i18n import Language, t
from drpo.i18n.message import Message

Severity = Literal["blocker", "warning"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem; the catalogue has its title and what to do about it."""

    code: str
    severity: Severity
    usable: bool
    """Whether a row with only this problem still becomes a pair."""

    def title(self, lang: Language | None = None) -> str:
        """What it is, in a few words."""
        return t(f"data.kind_{self.code}", lang=lang)

    def remedy(self, lang: Language | None = None) -> str:
        """What to do about it."""
        return t(f"data.todo_{self.code}", lang=lang)


_LEFT_OUT = (
    "unparseable",
    "wrong_type",
    "empty_prompt",
    "empty_answer",
    "same_answers",
    "diverges",
    "broken_text",
    "unknown_label",
    "answer_in_prompt",
)
# The limit is the run's, which may stop at such rows or drop them; a pair it is all the same.
_OVER_LIMIT = ("long_prompt",)
_SET_APART = ("unjudged", "tie", "no_majority", "not_liked")
_WARNED = (
    "duplicate",
    "near_duplicate",
    "conflict",
    "near_conflict",
    "role_label",
    "control_characters",
    "mixed_language",
    "dropped_characters",
    "long_answer",
    "short_answer",
    "negative_margin",
    "unused_context",
    "answer_quoted",
    "tools",
)

_WEIGHTS: tuple[tuple[tuple[str, ...], Severity, bool], ...] = (
    (_LEFT_OUT, "blocker", False),
    (_OVER_LIMIT, "blocker", True),
    (_SET_APART, "warning", False),
    (_WARNED, "warning", True),
)
KINDS = {
    code: Kind(code, severity, usable) for codes, severity, usable in _WEIGHTS for code in codes
}
"""By code, in the order of the report."""


@dataclass(slots=True)
class Tally:
    """All rows with one kind of problem; the rows are all kept, few details are."""

    rows: list[int] = field(default_factory=list)
    details: dict[int, Message] = field(default_factory=dict)


MOST_DETAILS = 50


class Problems:
    """Problems by kind, in a form that two hundred thousand of them do not burst."""

    def __init__(self) -> None:
        self._by_kind: dict[str, Tally] = {}

    def add(self, kind: str, row: int, detail: Message | None = None) -> None:
        """Note one."""
        if kind not in KINDS:
            raise ValueError(f"unknown kind of problem {kind!r}")
        tally = self._by_kind.setdefault(kind, Tally())
        tally.rows.append(row)
        if detail is not None and len(tally.details) < MOST_DETAILS:
            tally.details[row] = detail

    def rows(self, kind: str) -> list[int]:
        """Return the rows with this kind of problem, ascending."""
        tally = self._by_kind.get(kind)
        return sorted(set(tally.rows)) if tally else []

    def detail(self, kind: str, row: int) -> Message | None:
        """Return what exactly was wrong, where it was kept."""
        tally = self._by_kind.get(kind)
        return tally.details.get(row) if tally else None

    def first(self) -> str:
        """Say what is wrong with the first row that something is wrong with."""
        named = [(self.rows(kind)[0], kind) for kind in self._by_kind]
        if not named:
            return "no rows"
        row, kind = min(named)
        return f"row {row}: {KINDS[kind].title('en')} {self.detail(kind, row) or ''}".rstrip()

    def of_rows(self, kinds: Collection[str], rows: Collection[int]) -> Problems:
        """Return what is noted of some kinds for some rows."""
        kept = Problems()
        for kind in kinds:
            for row in self.rows(kind):
                if row in rows:
                    kept.add(kind, row, self.detail(kind, row))
        return kept

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            kind: {
                "rows": tally.rows,
                "details": {row: detail.as_dict() for row, detail in tally.details.items()},
            }
            for kind, tally in self._by_kind.items()
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Problems:
        """Read what `as_dict` wrote.

        Raises:
            KeyError: It names a kind that this version does not know.
        """
        read = cls()
        for kind, tally in stored.items():
            details = {int(row): Message.from_dict(it) for row, it in tally["details"].items()}
            read._by_kind[KINDS[kind].code] = Tally(list(tally["rows"]), details)
        return read

    def counts(self) -> dict[str, int]:
        """Return how many rows each kind has, in the order of the report."""
        return {code: len(self.rows(code)) for code in KINDS if code in self._by_kind}
