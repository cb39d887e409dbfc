"""How a file's columns become pairs: a layout, found by `recognise` or given by hand."""

from __future__ import annotations

import dataclasses
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from drpo.errors import DataError
from drpo.i18n.message import Message

Shape = Literal[
    "explicit", "transcripts", "messages", "answers", "demonstrations", "lists", "rated"
]
Outcome = Literal["first", "second", "tie", "unjudged"]

SHAPES: tuple[str, ...] = get_args(Shape)
TIES = frozenset(
    {
        "tie",
        "draw",
        "equal",
        "same",
        "both",
        "neither",
        "tie (bothbad)",
        "tie_bothbad",
        "bothbad",
        "both_bad",
        "both bad",
        "both_good",
        "both good",
        "c",
        "[[c]]",
        "a=b",
        "a~=b",
        "none of them",
    }
)
UNJUDGED = frozenset({"", "nan", "none", "null", "n/a", "na", "unjudged", "skip", "skipped", "-"})


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column plays which part. Empty names mean that there is no such column."""

    shape: Shape
    prompt: str = ""
    input: str = ""
    """A second part of the prompt, as in instruction/input."""
    system: str = ""
    """What the assistant was told before; it may hold earlier turns too."""
    history: str = ""
    """Earlier turns, which stand before the prompt."""
    tools: str = ""
    """Functions that the assistant could call, for chat templates."""
    chosen: str = ""
    rejected: str = ""
    first: str = ""
    second: str = ""
    """Two answers not yet told apart."""
    labels: tuple[str, ...] = ()
    """Who is better: one column, or one for each annotator."""
    codes: Mapping[str, Outcome] = field(default_factory=dict)
    """What the labels' values mean."""
    degrees: Mapping[str, float] = field(default_factory=dict)
    """How strong labels in words are, where they differ: "slightly better", "much better"."""
    direction: str = ""
    """Of graded labels: which end of the scale, `low` or `high`, says that the first is better."""
    middle: float | None = None
    """Of graded labels: the value that prefers neither."""
    annotator: str = ""
    """Who judged a row, where each annotator has rows of their own."""
    names: tuple[str, ...] = ()
    """Columns with the names of the two answers' authors, when labels name the winner."""
    one_hot: tuple[str, ...] = ()
    """Three columns of 0 and 1: first, second, tie."""
    scores: tuple[str, ...] = ()
    """A score for each answer (first and second, or chosen and rejected)."""
    margin: str = ""
    answers: str = ""
    """A list of answers, each with `response` and `rating`; a list of texts has neither inside."""
    rating: str = ""
    """What ranks or rates one answer."""
    pairs: str = ""
    """Which pairs are made of rated answers: `best_worst`, `best_random`, or `gap:NUMBER` for all
    that lie so far apart."""
    least: float | None = None
    """The least rating of a liked answer."""
    liked: tuple[str, ...] = ()
    """The values that say that an answer is liked."""
    response: str = ""
    """The one answer of a demonstrations file."""
    reason: Message | None = None
    """Why the file was read this way, for the person to check."""

    def as_dict(self) -> dict[str, Any]:
        """Return the parts that are set, ready for JSON."""
        parts: dict[str, Any] = {}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Message):
                value = str(value)
            if value or isinstance(value, float):
                parts[item.name] = list(value) if isinstance(value, tuple) else value
        return parts


def normal_name(name: str) -> str:
    """Bring a column's name into one form: lower case, words joined by underscores."""
    text = unicodedata.normalize("NFKC", name).strip()
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).casefold()
    return re.sub(r"[^\w]+", "_", text).strip("_")


def name_words(name: str) -> list[str]:
    """Split a column's name into words, digits apart: `model1_id` is model, 1, id."""
    return re.findall(r"[^\W\d_]+|\d+", normal_name(name))


def code_of(value: Any) -> str:  # noqa: ANN401 - any cell
    """Bring a label's value into one form: 1, 1.0 and "1 " are the same code."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return (
            str(int(value))
            if value == value and abs(value) < 1e9 and value == int(value)
            else ("" if value != value else str(value))
        )
    text = str(value)[:80].strip().casefold()
    if text.endswith(".0") and text[:-2].isdigit():
        return text[:-2]
    return "" if text in UNJUDGED else text


MOST_DIGITS = 24


def number_of(value: Any) -> float | None:  # noqa: ANN401 - any cell
    """Read a finite number, from a text too; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > MOST_DIGITS:
        return None  # a hash may consist of digits
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


_TEXT_PARTS = {
    "prompt",
    "input",
    "system",
    "history",
    "tools",
    "chosen",
    "rejected",
    "first",
    "second",
    "margin",
    "annotator",
    "response",
    "answers",
    "rating",
    "pairs",
}
_LIST_PARTS = {"liked", "labels", "scores", "names", "one_hot"}
_ALIASES = {
    "label": "labels",
    "instruction": "prompt",
    "answer_a": "first",
    "answer_b": "second",
    "scored": "scores",
}


def parse_map(text: str) -> dict[str, Any]:
    """Read a mapping given by hand: `prompt=Question,chosen=Good answer,rejected=Bad answer`.

    Several columns for one part are joined by `+` (`labels=annotator1+annotator2`). `first_is`,
    `second_is` and `tie_is` say what label values mean (`first_is=0,second_is=1`); of a graded
    label, `middle` is the value that prefers neither (`first_is=low,middle=4`).

    Raises:
        DataError: A part is unknown or has no column.
    """
    given: dict[str, Any] = {}
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (item.strip() for item in piece.partition("="))
        if not equals:
            raise DataError(f"--map: {piece!r} should be part=column, e.g. prompt=question.")
        name = _ALIASES.get(name, name)
        several = name in _LIST_PARTS or name.endswith("_is")
        given[name] = [item.strip() for item in value.split("+")] if several else value
    return build_parts(given)


def build_parts(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn named parts, as a form or `parse_map` collects them, into parts of a layout.

    Raises:
        DataError: There is no such part.
    """
    parts = _graded_parts(given)
    codes: dict[str, Outcome] = {}
    for name, value in given.items():
        if name in ("middle", "least") or (name == "first_is" and "direction" in parts):
            continue
        outcome = next((o for o in get_args(Outcome) if name == f"{o}_is"), None)
        if outcome is not None:
            codes |= {code_of(code): outcome for code in _listed(value)}
        elif name in _TEXT_PARTS:
            parts[name] = str(value)
        elif name in _LIST_PARTS:
            parts[name] = tuple(_listed(value))
        else:
            known = ", ".join(sorted(_TEXT_PARTS | _LIST_PARTS | {"first_is", "second_is"}))
            raise DataError(f"--map: unknown part {name!r}; expected one of {known}, tie_is.")
    if codes:
        parts["codes"] = codes
    return parts


def _graded_parts(given: Mapping[str, Any]) -> dict[str, Any]:
    """The middle of a scale, which end of it says that the first is better; the least rating."""
    parts: dict[str, Any] = {}
    for name in ("middle", "least"):
        if name in given:
            parts[name] = number_of(given[name])
            if parts[name] is None:
                raise DataError(f"--map: {name} should be a number, got {given[name]!r}.")
    if "middle" not in parts and "rating" not in given:
        return parts
    end = _listed(given.get("first_is", ""))[0]
    if end in ("low", "high"):
        parts["direction"] = end
    return parts


def _listed(value: Any) -> list[str]:  # noqa: ANN401 - a text or several
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]
