"""Make a clean set from a flawed one: leave out, keep one of each, settle contradictions.

The upload is never changed; what was done is written down as a recipe beside the new version.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from drpo.data.pairs import Pair
from drpo.data.pairset import PairSet, content_hash
from drpo.data.quality.checks import compare_rows, conflicts, exact_repeats
from drpo.data.quality.near_duplicates import normalise
from drpo.data.quality.problems import KINDS, Problems
from drpo.data.schema.convert import NOTED
from drpo.errors import DataError

Repeats = Literal["keep", "exact", "near"]
Contradictions = Literal["keep", "drop", "majority"]
BY_ROW = tuple(
    code
    for code, kind in KINDS.items()
    if kind.usable and code not in ("duplicate", "near_duplicate", "conflict")
)
"""Kinds of problem whose rows can be left out one by one."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to do to a set of pairs: to single ones first, then in this order."""

    exclude: tuple[str, ...] = ()
    """Kinds of problem whose rows are left out."""
    contradictions: Contradictions = "keep"
    repeats: Repeats = "keep"
    drop: tuple[int, ...] = ()
    """Pairs that a person left out, by their number among the usable ones, from 1."""
    flip: tuple[int, ...] = ()
    """Likewise pairs whose label is turned around."""

    def check(self) -> None:
        """Refuse what does not exist.

        Raises:
            DataError: A kind is unknown or its rows cannot be left out one by one; or a pair is
                both dropped and flipped.
        """
        wrong = [kind for kind in self.exclude if kind not in BY_ROW]
        if wrong:
            raise DataError(
                f"--exclude: {wrong[0]!r} is not one of {', '.join(BY_ROW)}. Duplicates and "
                "conflicts have options of their own; rows that cannot be used are always left "
                "out."
            )
        both = sorted(set(self.drop) & set(self.flip))
        if both:
            raise DataError(f"Pair {both[0]} is both dropped and flipped; choose one of the two.")


def fix(loaded: PairSet, recipe: Recipe) -> tuple[PairSet, dict[str, Any]]:
    """Apply a recipe to checked pairs.

    Args:
        loaded: Pairs whose report was built: the problems by row are known.
        recipe: What to do.

    Returns:
        The pairs that stay, a set of its own that nothing has been reported on yet but what only
        reading finds, and an account of what went, for the version's record.

    Raises:
        DataError: The recipe cannot be applied, or nothing stays.
    """
    recipe.check()
    out: dict[str, int] = {}
    pairs = _decided(loaded, recipe)
    if recipe.drop:
        out["by_hand"] = len(loaded.pairs) - len(pairs)
    for kind in recipe.exclude:
        rows = set(loaded.problems.rows(kind))
        pairs, out[kind] = _without(pairs, rows)
    if recipe.contradictions != "keep":
        pairs, out["conflict"] = _without(pairs, _contradicting(pairs, recipe.contradictions))
    if recipe.repeats != "keep":
        pairs, out["duplicate"] = _without(pairs, _repeating(pairs, recipe.repeats))
    if not pairs:
        raise DataError(
            f"Nothing of {loaded.name} would stay after this; leave out fewer kinds of problem."
        )
    fixed = PairSet(
        pairs,
        loaded.name,
        content_hash(pairs),
        problems=loaded.problems.of_rows(NOTED, {pair.row for pair in pairs}),
        rows=len(pairs),
        layout=loaded.layout,
        format=loaded.format,
        gold=loaded.gold,
        source_hash=loaded.source_hash,
        size=loaded.size,
        agreement=loaded.agreement,
        pair_rules=loaded.pair_rules,
    )
    account = {
        "source": loaded.name,
        "source_sha256": loaded.source_hash,
        "rows": loaded.rows,
        "layout": loaded.layout.as_dict() if loaded.layout else None,
        "never_usable": {
            code: count
            for code, count in loaded.problems.counts().items()
            if not KINDS[code].usable
        },
        "steps": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(recipe).items()
        },
        "left_out": out,
        "pairs": len(pairs),
    }
    return fixed, account


def _decided(loaded: PairSet, recipe: Recipe) -> list[Pair]:
    """Drop and flip single pairs.

    Raises:
        DataError: There is no pair of such a number.
    """
    count = len(loaded.pairs)
    wrong = [number for number in (*recipe.drop, *recipe.flip) if not 1 <= number <= count]
    if wrong:
        raise DataError(
            f"There is no pair {wrong[0]} in {loaded.name}; expected numbers from 1 to {count}, as "
            "`drpo data labels` names them."
        )
    dropped, flipped = set(recipe.drop), set(recipe.flip)
    return [
        _turned(pair) if number in flipped else pair
        for number, pair in enumerate(loaded.pairs, 1)
        if number not in dropped
    ]


def _turned(pair: Pair) -> Pair:
    """The same two answers with the other one preferred; by how much, nobody said."""
    return replace(
        pair,
        chosen=pair.rejected,
        rejected=pair.chosen,
        gold_chosen=pair.gold_rejected,
        gold_rejected=pair.gold_chosen,
        margin=None,
    )


def _without(pairs: Sequence[Pair], rows: set[int]) -> tuple[list[Pair], int]:
    kept = [pair for pair in pairs if pair.row not in rows]
    return kept, len(pairs) - len(kept)


def _contradicting(pairs: Sequence[Pair], how: Contradictions) -> set[int]:
    """Return the rows to drop: all that contradict, or those that the majority contradicts."""
    rows = {row for row, _ in conflicts(pairs)}
    if how == "drop":
        return rows
    votes: Counter[tuple[str, str, str]] = Counter()
    asked: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for pair in pairs:
        if pair.row in rows:
            key = (pair.prompt.strip(), normalise(pair.chosen), normalise(pair.rejected))
            votes[key] += 1
            asked[key].append(pair.row)
    return {
        row
        for (prompt, chosen, rejected), these in asked.items()
        if votes[(prompt, chosen, rejected)] <= votes[(prompt, rejected, chosen)]
        for row in these
    }


def _repeating(pairs: Sequence[Pair], how: Repeats) -> set[int]:
    if how == "exact":
        return {row for row, _ in exact_repeats(pairs)}
    likeness = compare_rows(pairs, Problems())
    return {row for row, _ in (*likeness.exact, *likeness.near)}
