"""What is asked where a file can be read in more than one way, and what each answer would mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from drpo.data.io.limits import AmbiguousError, UnreadableError
from drpo.data.schema.column_mapping import Outcome, code_of
from drpo.i18n.message import Message

SHOWN_ROWS = 3
SHOWN_CHARS = 160
SUPPORTED, LEAD = 0.6, 0.2
"""A reading is offered first where other columns agree on this share of the rows, and on so much
more than with any other reading."""

Judge = Callable[[Mapping[str, Any]], Outcome | None]
"""What one way of reading says of a row; None where it says nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a file."""

    parts: Mapping[str, Any]
    """What to say for it, as a form or `--map` takes it."""
    ties: float = 0.0
    """Share of the sample's judged rows that are ties."""
    rows: tuple[dict[str, Any], ...] = ()
    """Some rows as they would be read."""
    evidence: tuple[dict[str, Any], ...] = ()
    """Columns that speak for or against it: their names, on how many rows, how often it agrees."""
    supported: bool = False
    """Whether the evidence is for this reading and for no other."""

    def flag(self) -> str:
        """The parts as `--map` takes them."""
        return ",".join(
            f"{name}={'+'.join(value) if isinstance(value, list) else value}"
            for name, value in self.parts.items()
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A column whose values fit more than one convention, and the readings to choose from."""

    label: str
    first: str
    second: str
    readings: tuple[Reading, ...]
    prompt: str = ""
    opening: Message = field(default_factory=lambda: Message("data.ask_bare"))
    """What is asked, before the readings."""

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "label": self.label,
            "first": self.first,
            "second": self.second,
            "opening": self.opening.as_dict(),
            "readings": [
                {
                    "map": reading.flag(),
                    "parts": dict(reading.parts),
                    "ties": round(reading.ties, 4),
                    "rows": list(reading.rows),
                    "evidence": list(reading.evidence),
                    "supported": reading.supported,
                }
                for reading in self.readings
            ],
        }


class AskedError(AmbiguousError):
    """A question with its possible answers; nothing is read before one is given."""

    def __init__(self, question: Question) -> None:
        super().__init__(str(question.opening))
        self.question = question


def described(error: Exception) -> dict[str, Any]:
    """Say in plain values what kind of error reading a file ended with, and what it asks."""
    kinds = {AmbiguousError: "ambiguous", UnreadableError: "unreadable"}
    kind = next((name for known, name in kinds.items() if isinstance(error, known)), "data")
    asked = {"question": error.question.as_dict()} if isinstance(error, AskedError) else {}
    return {"kind": kind, **asked}


def illustrate(
    question: Question,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    judges: Sequence[Judge],
    witnesses: Sequence[tuple[tuple[str, ...], Judge]],
) -> Question:
    """Say what each reading would make of the sample.

    Args:
        question: Its readings may be bare.
        rows: The sample, each row with its number.
        judges: For each reading, what it says of a row.
        witnesses: Other columns that judge the same answers, with what they say.

    Returns:
        The question with the reading first that the witnesses speak for.
    """
    filled = [
        _illustrated(question, reading, rows, judge, witnesses)
        for reading, judge in zip(question.readings, judges, strict=True)
    ]
    ranked = sorted(filled, key=_agreement, reverse=True)
    shares = [*map(_agreement, ranked), 0.0]
    if shares[0] >= SUPPORTED and shares[0] - shares[1] >= LEAD:
        filled = [replace(ranked[0], supported=True), *(r for r in filled if r is not ranked[0])]
    return replace(question, readings=tuple(filled))


def _illustrated(
    question: Question,
    reading: Reading,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    judge: Judge,
    witnesses: Sequence[tuple[tuple[str, ...], Judge]],
) -> Reading:
    said = [(number, row, judge(row)) for number, row in rows]
    judged = [outcome for _, _, outcome in said if outcome in ("first", "second", "tie")]
    evidence = [_evidence(names, witness, said) for names, witness in witnesses]
    return replace(
        reading,
        ties=judged.count("tie") / len(judged) if judged else 0.0,
        rows=tuple(_shown(question, *item) for item in _telling(said, question.label)),
        evidence=tuple(entry for entry in evidence if entry["rows"]),
    )


def _evidence(
    names: tuple[str, ...],
    witness: Judge,
    said: Sequence[tuple[int, Mapping[str, Any], Outcome | None]],
) -> dict[str, Any]:
    # A tie where the witness decides is a disagreement: else a reading with many ties looks best.
    both = [(witness(row), own) for _, row, own in said if own in ("first", "second", "tie")]
    compared = [own == other for other, own in both if other in ("first", "second")]
    agrees = sum(compared) / len(compared) if compared else 0.0
    return {"columns": list(names), "rows": len(compared), "agrees": round(agrees, 4)}


def _agreement(reading: Reading) -> float:
    """Of the witnesses' shares the least."""
    return min((float(seen["agrees"]) for seen in reading.evidence), default=0.0)


def _telling(
    said: Sequence[tuple[int, Mapping[str, Any], Outcome | None]], label: str
) -> list[tuple[int, Mapping[str, Any], Outcome | None]]:
    """Three rows that show as many different values as there are, in the file's order."""
    seen: dict[str, int] = {}
    for index, (_, row, _) in enumerate(said):
        seen.setdefault(code_of(row.get(label)), index)
    seen.pop("", None)
    wanted = list(seen.values())[:SHOWN_ROWS]
    wanted += [index for index in range(len(said)) if index not in wanted]
    return [said[index] for index in sorted(wanted[:SHOWN_ROWS])]


def _shown(
    question: Question, number: int, row: Mapping[str, Any], outcome: Outcome | None
) -> dict[str, Any]:
    return {
        "row": number,
        "value": _short(row.get(question.label)),
        "outcome": outcome or "unjudged",
        "prompt": _short(row.get(question.prompt)) if question.prompt else "",
        "first": _short(row.get(question.first)),
        "second": _short(row.get(question.second)),
    }


def _short(value: Any) -> str:  # noqa: ANN401 - any cell
    text = "" if value is None else str(value)
    clean = " ".join(text.split()).encode(errors="replace").decode()
    return clean if len(clean) <= SHOWN_CHARS else clean[: SHOWN_CHARS - 1] + "…"
