"""What the codes of a judgement mean: 0/1, 1/2, A/B, model_a/model_b/tie, a name, a winner."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from drpo.data.io.limits import AmbiguousError
from drpo.data.schema.column_mapping import TIES, Outcome, name_words, normal_name

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


def decide_codes(
    values: Collection[str], columns: tuple[str, str], markers: tuple[str, str], label: str
) -> dict[str, Outcome]:
    """Say what each code means.

    Args:
        values: The distinct codes that occur, as `code_of` writes them.
        columns: The two answer columns.
        markers: What tells them apart in their names, e.g. ("1", "2"); empty where nothing does.
        label: The label's column.

    Raises:
        AmbiguousError: More than one reading is possible; the message asks.
    """
    codes: dict[str, Outcome] = {}
    rest = []
    for value in sorted(values - {""} if isinstance(values, set) else set(values) - {""}):
        found = _by_word(value, columns, markers)
        if found is None:
            rest.append(value)
        else:
            codes[value] = found
    if rest and all(value.lstrip("-").isdigit() for value in rest):
        numbers = _by_number({int(value) for value in rest}, markers, label)
        if numbers is None:
            raise _question(label, values, columns)
        return codes | numbers
    if len(rest) == 1 and set(codes.values()) - {"tie"} in ({"first"}, {"second"}):
        # One code names a column ("reference"); the only other code must be the other answer.
        named = "first" in codes.values()
        codes[rest[0]] = "second" if named else "first"
        rest = []
    if rest:
        raise _question(label, values, columns)
    return codes


def _by_word(value: str, columns: tuple[str, str], markers: tuple[str, str]) -> Outcome | None:
    if value in TIES or normal_name(value) in TIES:
        return "tie"
    outcomes: tuple[Outcome, Outcome] = ("first", "second")
    for side, outcome in enumerate(outcomes):
        if value in SIDES[side] or (not value.isdigit() and _names(value, columns, markers, side)):
            return outcome
    return None


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
    numbers: set[int], markers: tuple[str, str], label: str
) -> dict[str, Outcome] | None:
    from_one: dict[str, Outcome] = {"1": "first", "2": "second", "3": "tie"}
    from_zero: dict[str, Outcome] = {"0": "first", "1": "second", "2": "tie"}
    numbered = markers == ("1", "2")
    if numbers <= {1, 2, 3} and (numbered or numbers & {2, 3}):
        # With 1 and 2 for the answers, 0 and 3 can only be the tie, should they occur later on.
        return from_one | {"0": "tie"} if numbered else from_one
    if markers == ("0", "1") and numbers <= {0, 1, 2}:
        return from_zero
    if numbered and numbers <= {0, 1, 2, 3} and 2 in numbers:
        return from_one | {"0": "tie"}
    if numbers <= {0, 1} and INDEX_WORDS & set(name_words(label)):
        return from_zero
    return None


def _question(label: str, values: Collection[str], columns: Sequence[str]) -> AmbiguousError:
    shown = ", ".join(repr(value) for value in sorted(values)[:8] if value)
    return AmbiguousError(
        f"Column {label!r} holds {shown}, which could mean more than one thing. Which value says "
        f"that {columns[0]!r} is better? Answer with --map first_is=VALUE,second_is=VALUE (and "
        "tie_is=VALUE), or in the form on the Data screen."
    )


def majority(votes: Sequence[Outcome]) -> Outcome | None:
    """Return what more than half of the annotators said; None if nothing was.

    Votes that were not cast do not count; no votes at all is unjudged.
    """
    cast = [vote for vote in votes if vote != "unjudged"]
    if not cast:
        return "unjudged"
    for outcome in set(cast):
        if cast.count(outcome) * 2 > len(cast):
            return outcome
    return None


class Agreement:
    """How far annotators agree: unanimous rows, agreeing pairs of votes, Krippendorff's alpha."""

    def __init__(self) -> None:
        self._rows = 0
        self._unanimous = 0
        self._pairs = 0
        self._agreeing = 0
        self._observed = 0.0
        self._votes: dict[str, int] = {}

    def add(self, votes: Sequence[Outcome]) -> None:
        """Take the votes on one row; rows with fewer than two votes say nothing."""
        cast = [vote for vote in votes if vote != "unjudged"]
        if len(cast) < 2:
            return
        counts = {vote: cast.count(vote) for vote in set(cast)}
        agreeing = sum(count * (count - 1) for count in counts.values())
        self._rows += 1
        self._unanimous += len(counts) == 1
        self._pairs += len(cast) * (len(cast) - 1)
        self._agreeing += agreeing
        self._observed += (len(cast) * (len(cast) - 1) - agreeing) / (len(cast) - 1)
        for vote, count in counts.items():
            self._votes[vote] = self._votes.get(vote, 0) + count

    def summary(self) -> dict[str, float] | None:
        """Return the figures, or None when no row has two votes."""
        if not self._rows:
            return None
        total = sum(self._votes.values())
        expected = total * total - sum(count * count for count in self._votes.values())
        # Krippendorff 2011, "Computing Krippendorff's alpha-reliability", nominal data:
        # alpha = 1 - observed / expected disagreement; without any variation there is none.
        alpha = 1.0 if expected == 0 else 1 - (total - 1) * self._observed / expected
        return {
            "rows": self._rows,
            "unanimous": self._unanimous / self._rows,
            "agreeing_votes": self._agreeing / self._pairs,
            "krippendorff_alpha": alpha,
        }
