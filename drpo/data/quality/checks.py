"""What only shows when rows are seen beside each other, or read character by character."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drpo.data.pairs import Pair
from drpo.data.quality.languages import language_of, scripts_differ
from drpo.data.quality.near_duplicates import near_groups, normalise
from drpo.data.quality.problems import Problems
from drpo.data.quality.token_lengths import Measured
from drpo.data.schema.dialogues import ASSISTANT, HUMAN
from drpo.i18n.message import Message

# Tab and line breaks are text; the marks that steer reading direction can hide what is written.
CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\u202a-\u202e\u2066-\u2069\ufeff\ufffd]"
)
LANGUAGE_SAMPLE = 5_000

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Which pairs say the same thing."""

    prompt_groups: list[int]
    """For every pair the index of the first pair whose prompt is (nearly) the same."""
    exact: list[tuple[int, int]]
    """Row of a duplicate, and the row it repeats."""
    near: list[tuple[int, int]]
    conflicts: list[tuple[int, int]]
    near_conflicts: list[tuple[int, int]]
    """Likewise where prompts and answers are only nearly the same; both rows, each with another."""


def compare_rows(
    pairs: Sequence[Pair], problems: Problems, *, tell: Tell | None = None
) -> Likeness:
    """Find duplicates, near duplicates and conflicts, and note them as problems.

    A near duplicate has nearly the same prompt, chosen and rejected answer as an earlier row. A
    conflict prefers A to B where another row with the same prompt prefers B to A; a near conflict
    does so with a prompt and answers that are nearly the same.
    """
    groups = near_groups([pair.prompt for pair in pairs], tell=tell)
    exact = exact_repeats(pairs)
    conflicting = conflicts(pairs)
    repeated = {row for row, _ in exact}
    near, turned = _near(pairs, groups)
    near = [(row, other) for row, other in near if row not in repeated]
    opposed = {row for row, _ in conflicting}
    turned = [(row, other) for row, other in turned if row not in opposed]
    kinds = {
        "duplicate": exact,
        "near_duplicate": near,
        "conflict": conflicting,
        "near_conflict": turned,
    }
    for kind, found in kinds.items():
        for row, other in found:
            detail = Message("rows.row" if "conflict" in kind else "rows.like", row=other)
            problems.add(kind, row, detail)
    return Likeness(groups, exact, near, conflicting, turned)


def judged_both_ways(pairs: Sequence[Pair]) -> dict[int, int]:
    """Return the rows that another contradicts, exactly or nearly, each with such a row."""
    groups = near_groups([pair.prompt for pair in pairs])
    return dict(sorted([*_near(pairs, groups)[1], *conflicts(pairs)]))


def exact_repeats(pairs: Sequence[Pair]) -> list[tuple[int, int]]:
    """Return the row of every exact duplicate, and the row it repeats."""
    first: dict[int, int] = {}
    found = []
    for pair in pairs:
        key = hash((pair.prompt.strip(), pair.chosen.strip(), pair.rejected.strip()))
        earlier = first.setdefault(key, pair.row)
        if earlier != pair.row:
            found.append((pair.row, earlier))
    return found


def conflicts(pairs: Sequence[Pair]) -> list[tuple[int, int]]:
    """Return both rows of every conflict, each with the other."""
    repeated = Counter(pair.prompt.strip() for pair in pairs)
    seen: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    found: dict[int, int] = {}
    for pair in pairs:
        prompt = pair.prompt.strip()
        if repeated[prompt] < 2:
            continue
        chosen, rejected = normalise(pair.chosen), normalise(pair.rejected)
        for row in seen[(prompt, rejected, chosen)]:
            found.setdefault(row, pair.row)
            found.setdefault(pair.row, row)
        seen[(prompt, chosen, rejected)].append(pair.row)
    return sorted(found.items())


def _near(
    pairs: Sequence[Pair], groups: Sequence[int]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Among pairs with nearly the same prompt, find nearly the same answers, by their rows.

    Returns:
        Repeats, the later row with an earlier one; and rows that prefer the other answer, each
        with a row that does.
    """
    sizes = Counter(groups)
    indices = [index for index, group in enumerate(groups) if sizes[group] > 1]
    answers = [getattr(pairs[i], name) for name in ("chosen", "rejected") for i in indices]
    alike = near_groups(answers)
    first: dict[tuple[int, int, int], int] = {}
    repeats = []
    turned: dict[int, int] = {}
    for place, index in enumerate(indices):
        better, worse, row = alike[place], alike[place + len(indices)], pairs[index].row
        earlier = first.setdefault((groups[index], better, worse), index)
        if earlier != index:
            repeats.append((row, pairs[earlier].row))
        opposite = first.get((groups[index], worse, better))
        if opposite is not None and better != worse:
            turned.setdefault(row, pairs[opposite].row)
            turned.setdefault(pairs[opposite].row, row)
    return repeats, sorted(turned.items())


def read_characters(
    pairs: Sequence[Pair], problems: Problems, *, tell: Tell | None = None
) -> dict[str, dict[str, int]]:
    """Note control characters and mixed languages; return how many texts each language has.

    The languages are counted on at most LANGUAGE_SAMPLE pairs, spread evenly over the file.
    """
    every = max(1, len(pairs) // LANGUAGE_SAMPLE)
    counts: dict[str, Counter[str]] = {"prompt": Counter(), "chosen": Counter()}
    for number, pair in enumerate(pairs):
        texts = (pair.prompt, pair.chosen, pair.rejected)
        for name, text in zip(("prompt", "chosen", "rejected"), texts, strict=True):
            found = CONTROL.search(text)
            if found is not None:
                sign = f"U+{ord(found.group()):04X}"
                place = found.start() + 1
                detail = Message("rows.character", what=sign, part=name, place=place)
                problems.add("control_characters", pair.row, detail)
                break
        # A dialogue's speakers are named in English whatever it is about.
        prompt = pair.prompt.replace(HUMAN, " ").replace(ASSISTANT, " ")
        if not all(map(str.isascii, texts)):
            differ = scripts_differ(prompt, pair.chosen, pair.rejected)
            if differ:
                problems.add("mixed_language", pair.row, differ)
        if number % every == 0:
            counts["prompt"][language_of(prompt)] += 1
            counts["chosen"][language_of(pair.chosen)] += 1
        if tell is not None and number % 2_000 == 0:
            tell(number, len(pairs))
    return {part: dict(counter.most_common(12)) for part, counter in counts.items()}


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of every pair's three texts."""

    unit: str
    prompt: list[int]
    chosen: list[int]
    rejected: list[int]
    trained: list[int]
    """Of the chosen answers as training reads them: an end token added, cut at the response length.
    """
    cut: int = 0
    """Chosen answers that the response length cuts, so that their end is not among their tokens."""


def check_lengths(
    pairs: Sequence[Pair],
    measured: tuple[Measured, Measured, Measured],
    problems: Problems,
    *,
    unit: str,
    max_prompt_length: int | None,
    response_length: int | None,
) -> Lengths:
    """Note prompts and answers over the limits, answers too short to reset in, lost characters."""
    prompts, chosen, rejected = measured
    trained = [length + 1 for length in chosen.lengths]
    if response_length is not None:
        trained = [min(length, response_length) for length in trained]
    for index, pair in enumerate(pairs):
        lengths = (prompts.lengths[index], chosen.lengths[index], rejected.lengths[index])
        if max_prompt_length is not None and lengths[0] > max_prompt_length:
            problems.add("long_prompt", pair.row, _long(lengths[0], unit))
        if response_length is not None and max(lengths[1:]) >= response_length:
            problems.add("long_answer", pair.row, _long(max(lengths[1:]), unit))
        if trained[index] < 2 and unit == "tokens":
            problems.add("short_answer", pair.row, _long(lengths[1], unit))
        for name, part in (("prompt", prompts), ("chosen", chosen), ("rejected", rejected)):
            if index in part.unknown:
                lost = Message("rows.lost", what=part.unknown[index], part=name)
                problems.add("dropped_characters", pair.row, lost)
                break
    cut = sum(length + 1 > kept for length, kept in zip(chosen.lengths, trained, strict=True))
    return Lengths(unit, prompts.lengths, chosen.lengths, rejected.lengths, trained, cut)


def _long(count: int, unit: str) -> Message:
    return Message("rows.tokens" if unit == "tokens" else "rows.words", count=count)
