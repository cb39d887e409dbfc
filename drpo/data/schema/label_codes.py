"""What the codes of a judgement mean: 0/1, 1/2, A/B, model_a/model_b/tie, a name, a winner."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from drpo.data.schema.column_mapping import TIES, Outcome, name_words, normal_name
from drpo.data.schema.degree_words import degree_of
from drpo.data.schema.questions import AskedError, Question, Reading
from drpo.i18n.message import Message

NOUNS = (
    "",
    "model",
    "response",
    "answer",
    "assistant",
    "output",
    "completion",
    "summary",
    "candidate",
    "option",
    "conversation",
    "reply",
)
SIDES = (
    {"a", "first", "left", "1st", "[[a]]", "a>b", "a>>b", "a is better", "x"},
    {"b", "second", "right", "2nd", "[[b]]", "b>a", "b>>a", "a<b", "a<<b", "b is better", "y"},
)
INDEX_WORDS = {"id", "index", "idx", "number"}
LOSER_WORDS = {"worse", "worst", "loser", "losing", "rejected", "dispreferred", "bad"}
"""A label named so may say which answer is the worse one."""

Codes = Mapping[str, Outcome]

CONVENTIONS: tuple[dict[str, Outcome], ...] = (
    {"0": "first", "1": "second", "2": "tie"},
    {"1": "first", "2": "second", "0": "tie", "3": "tie"},
    {"1": "first", "0": "second"},
    {"1": "first", "0": "tie", "-1": "second"},
    {"-1": "first", "0": "tie", "1": "second"},
    {"0": "first", "1": "tie", "2": "second"},
    {"0": "second", "1": "tie", "2": "first"},
    {"1": "first", "2": "tie", "3": "second"},
    {"1": "second", "2": "tie", "3": "first"},
)
"""Every use of whole numbers that public sets make of a judgement between two answers."""
POLES = (
    ("true", "false"),
    ("yes", "no"),
    ("win", "loss"),
    ("win", "lose"),
    ("wins", "loses"),
    ("won", "lost"),
    ("better", "worse"),
    ("+", "-"),
)
"""Words that speak for one answer or against it without saying of which one they speak."""


def decide_codes(
    values: Collection[str],
    columns: tuple[str, str],
    markers: tuple[str, str],
    label: str,
    given: Codes | None = None,
) -> dict[str, Outcome]:
    """Say what each code means.

    Args:
        values: The distinct codes that occur, as `code_of` writes them.
        columns: The two answer columns.
        markers: What tells them apart in their names, e.g. ("1", "2"); empty where nothing does.
        label: The label's column.
        given: What a person said of some codes; never overruled.

    Raises:
        AskedError: More than one published convention fits; the question holds them all.
    """
    present = set(values) - {""}
    said = dict(given or {})
    if said and present <= said.keys():
        return said
    readings = code_readings(present, columns, markers, label)
    fitting = [r for r in readings if all(r.get(c, o) == o for c, o in said.items())]
    if said and not fitting:
        return said
    if len(fitting) == 1 and (said or _only_one_convention(present, markers, label)):
        return fitting[0] | said
    raise question_of(label, present, columns, [_parts_of(r, present) for r in fitting])


def code_readings(
    present: Collection[str], columns: tuple[str, str], markers: tuple[str, str], label: str
) -> list[dict[str, Outcome]]:
    """Return every published way to read the codes, empty where none is known."""
    codes: dict[str, Outcome] = {}
    rest = []
    for value in sorted(present):
        found = _by_word(value, columns, markers)
        if found is None:
            rest.append(value)
        else:
            codes[value] = found
    if not rest:
        turned = LOSER_WORDS & set(name_words(label)) and set(codes.values()) - {"tie"}
        return [codes, _turned(codes)] if turned else [codes]
    poles = {value: degree for value in rest if (degree := degree_of(value)) is not None}
    if poles.keys() == set(rest):  # "slightly better", and not which one
        said: dict[str, Outcome] = {
            value: "first" if degree.says == "better" else "second"
            for value, degree in poles.items()
        }
        return [codes | said, codes | _turned(said)]
    if all(value.lstrip("-").isdigit() for value in rest):
        return [codes | reading for reading in _by_number(set(rest), codes, markers, label)]
    for good, bad in POLES:
        if set(rest) <= {good, bad}:
            reading: dict[str, Outcome] = {good: "first", bad: "second"}
            return [codes | reading, codes | _turned(reading)]
    named = [code for code in codes if codes[code] != "tie" and code not in SIDES[0] | SIDES[1]]
    if len(rest) == 1 and len(named) == 1 and len(rest[0]) <= 24:
        # One code names a column ("reference"); the only other code must be the other answer.
        other: Outcome = "second" if codes[named[0]] == "first" else "first"
        return [codes | {rest[0]: other}]
    return []


def _turned(codes: Codes) -> dict[str, Outcome]:
    other: dict[Outcome, Outcome] = {"first": "second", "second": "first"}
    return {code: other.get(outcome, outcome) for code, outcome in codes.items()}


def _by_word(value: str, columns: tuple[str, str], markers: tuple[str, str]) -> Outcome | None:
    if TIES & {value, value.strip("[]"), normal_name(value)}:
        return "tie"
    outcomes: tuple[Outcome, Outcome] = ("first", "second")
    for side, outcome in enumerate(outcomes):
        if value in SIDES[side] or (not value.isdigit() and _names(value, columns, markers, side)):
            return outcome
    return _by_degree(value, columns, markers)


def _by_degree(value: str, columns: tuple[str, str], markers: tuple[str, str]) -> Outcome | None:
    """The answer that words of degree speak for, where they name one."""
    degree = degree_of(value)
    if degree is None:
        return None
    if degree.says == "alike":
        return "tie"
    named = " ".join(degree.about)
    if not named:
        return None
    if named.isdigit():
        named = f"answer {named}"  # beside a comparison a number is an answer's
    about = _by_word(named, columns, markers) if degree_of(named) is None else None
    if about not in ("first", "second") or degree.says == "better":
        return about
    return "second" if about == "first" else "first"


def _names(value: str, columns: tuple[str, str], markers: tuple[str, str], side: int) -> bool:
    """Whether a code names one answer's column, and not the other's too."""
    words = name_words(value)
    if not words:
        return False
    marker = markers[side]
    marks = {marker, "ab"[side]} - {""}
    if len(words) == 2 and words[0] in NOUNS and words[1] in marks:
        return True
    own, other = (set(name_words(columns[index])) for index in (side, 1 - side))
    return set(words) <= own and not set(words) <= other


def _by_number(
    numbers: set[str], said: Codes, markers: tuple[str, str], label: str
) -> list[dict[str, Outcome]]:
    """Every convention that the numbers fit, those that tell two answers apart if two must be."""
    fitting = [convention for convention in CONVENTIONS if numbers <= convention.keys()]
    if "tie" in said.values():  # a word says tie, so no number does
        fitting = [c for c in fitting if "tie" not in {c[n] for n in numbers}] or fitting
    if numbers in ({"0", "1"}, {"1", "2"}, {"-1", "1"}):
        fitting = [c for c in fitting if {c[n] for n in numbers} == {"first", "second"}]
    indexed = markers == ("0", "1") or "" in markers or not set(markers) <= set("0123")
    if INDEX_WORDS & set(name_words(label)) and "0" in numbers and indexed:
        # A place counted from 0 cannot be anything else.
        return [CONVENTIONS[0]]
    distinct: list[dict[str, Outcome]] = []
    for convention in fitting:
        if all({n: c[n] for n in numbers} != {n: convention[n] for n in numbers} for c in distinct):
            distinct.append(convention)
    return distinct


def _only_one_convention(present: set[str], markers: tuple[str, str], label: str) -> bool:
    """Whether a single reading that was found may be used unasked.

    Words name the answers. Of numbers only 1 and 2 do, and a place counted from 0; that no other
    convention is listed for a stranger set of numbers does not make the one that is the right one.
    """
    numbers = {value for value in present if value.lstrip("-").isdigit()}
    if not numbers:
        return True
    if INDEX_WORDS & set(name_words(label)) and "0" in numbers:
        return numbers <= {"0", "1", "2"}
    return numbers == {"1", "2"} and markers != ("0", "1")


def _parts_of(reading: Codes, present: Collection[str]) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    for outcome in ("first", "second", "tie"):
        codes = sorted(code for code in present if reading.get(code) == outcome)
        if codes:
            parts[f"{outcome}_is"] = codes
    return parts


def question_of(
    label: str,
    values: Collection[str],
    columns: Sequence[str],
    readings: Sequence[Mapping[str, object]],
) -> AskedError:
    """Ask which of several readings is meant."""
    shown = ", ".join(repr(value[:40]) for value in sorted(values)[:8] if value)
    ways = tuple(Reading(parts) for parts in readings)
    bare = "--map first_is=VALUE,second_is=VALUE"
    opening = Message(
        "data.ask_opening",
        label=label[:60],
        values=shown,
        first=columns[0][:60],
        flags="; ".join(f"--map {way.flag()}" for way in ways) or bare,
    )
    return AskedError(Question(label, columns[0], columns[1], ways, opening=opening))
