"""What one row says of its two answers, by label, annotators, degrees, scores or flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drpo.data.schema.agreement import majority
from drpo.data.schema.column_mapping import Layout, Outcome, code_of, number_of
from drpo.data.schema.row_error import RowError
from drpo.i18n.message import Message

QUOTE_CHARS = 40

Row = Mapping[str, Any]


def outcome_of(
    row: Row, layout: Layout, votes: list[Outcome] | None = None
) -> tuple[Outcome, float | None]:
    """Return which answer a row prefers, and how clearly where it says so.

    Args:
        row: One row of the file.
        layout: Of the shape `answers`.
        votes: Is given what each label says, in their order, also where nothing follows from it.

    Raises:
        RowError: A label's value is unknown, or no majority of annotators agrees.
    """
    if layout.scores:
        return _by_scores(row, layout)
    if layout.one_hot:
        hot = [code_of(row.get(name)) in ("1", "true") for name in layout.one_hot]
        outcomes: tuple[Outcome, ...] = ("first", "second", "tie")
        return next((o for o, on in zip(outcomes, hot, strict=False) if on), "unjudged"), None
    if layout.direction:
        return _by_degree(row, layout, votes)
    cast = [_vote(row, label, layout) for label in layout.labels]
    if votes is not None:
        votes += cast
    return _decided(cast), _strength(row, cast, layout)


def _strength(row: Row, votes: Sequence[Outcome], layout: Layout) -> float | None:
    """How clearly the labels' words prefer one answer; several annotators' are averaged."""
    if not layout.degrees:
        return None
    signs = {"first": 1.0, "second": -1.0, "tie": 0.0}
    said = [
        signs[vote] * layout.degrees.get(code_of(row.get(label)), 0.0)
        for vote, label in zip(votes, layout.labels, strict=True)
        if vote in signs
    ]
    return abs(sum(said)) / len(said) if said else None


def _by_scores(row: Row, layout: Layout) -> tuple[Outcome, float | None]:
    first, second = (number_of(row.get(name)) for name in layout.scores)
    if first is None or second is None:
        return "unjudged", None
    return _sided(first - second)


def _sided(difference: float) -> tuple[Outcome, float]:
    outcome: Outcome = "tie"
    if difference:
        outcome = "first" if difference > 0 else "second"
    return outcome, abs(difference)


def _by_degree(row: Row, layout: Layout, votes: list[Outcome] | None) -> tuple[Outcome, float]:
    """How far the labels lie from the scale's middle; several annotators' are averaged."""
    sign = 1 if layout.direction == "high" else -1
    cast: list[Outcome] = []
    degrees = []
    for label in layout.labels:
        value = row.get(label)
        degree = number_of(value)
        if degree is not None:
            degrees.append(degree - (layout.middle or 0.0))
            cast.append(_sided(sign * degrees[-1])[0])
        elif code_of(value):
            raise _unknown(label, value)
        else:
            cast.append("unjudged")
    if votes is not None:
        votes += cast
    if not degrees:
        return "unjudged", 0.0
    return _sided(sign * sum(degrees) / len(degrees))


def _decided(votes: list[Outcome]) -> Outcome:
    outcome = majority(votes)
    if outcome is None:
        raise RowError("no_majority", Message("rows.votes", votes=", ".join(votes)))
    return outcome


def _vote(row: Row, label: str, layout: Layout) -> Outcome:
    value = row.get(label)
    code = code_of(value)
    if not code:
        return "unjudged"
    if layout.names:
        first, second = (code_of(row.get(name)) for name in layout.names)
        if code in (first, second) and first != second:
            return "first" if code == first else "second"
    outcome = layout.codes.get(code)
    if outcome is None and "tie" in code:
        return "tie"
    if outcome is None:
        raise _unknown(label, value)
    return outcome


def _unknown(label: str, value: Any) -> RowError:  # noqa: ANN401 - any cell
    return RowError(
        "unknown_label", Message("rows.label", column=label, value=str(value)[:QUOTE_CHARS])
    )
