"""Answers with a rank, a score or a thumb each: lists of them, or one a row; and their pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from drpo.data.io.readers import RawRow
from drpo.data.quality.problems import Problems
from drpo.data.schema.column_mapping import Layout, code_of, name_words, number_of
from drpo.data.schema.columns import Column, find_prompt
from drpo.data.schema.pairing import RULES, Rated, RuleCounts, gap_of, pairs_by
from drpo.data.schema.questions import AskedError, Question, Reading
from drpo.errors import DataError
from drpo.i18n.message import Message

RANK = {"rank", "ranks", "ranking", "place"}
RATING = (
    *("overall", "rating", "ratings", "score", "scores", "reward", "helpfulness", "quality"),
    *("label", "labels", "thumb", "thumbs", "liked", "like", "feedback", "vote", "desirable"),
)
LIKED = {"true", "1", "yes", "up", "good", "thumbs_up", "thumbs up", "like", "liked", "positive"}
DISLIKED = {
    *("false", "0", "-1", "no", "down", "bad", "thumbs_down", "thumbs down", "dislike", "disliked"),
    "negative",
}
TEXT_KEYS = ("answer", "response", "text", "completion", "output", "content", "generation")


def list_layout(
    columns: Mapping[str, Column], sample: Sequence[Mapping[str, Any]], given: Mapping[str, Any]
) -> Layout | None:
    """Recognise a prompt with a list of answers, each with a rank or a score; None if it is not."""
    for name in (given["answers"],) if given.get("answers") else columns:
        items = next((row[name] for row in sample if _is_answers(row.get(name))), None)
        if items is None:
            continue
        if isinstance(items[0], str):
            text, rating = "", given.get("rating") or _rating_beside(items, sample[0])
        else:
            text = given.get("response") or _key_of_text(items[0])
            rating = given.get("rating") or _rating_of(
                [key for key, value in items[0].items() if number_of(value) is not None]
            )
        prompt = given.get("prompt") or find_prompt({n: c for n, c in columns.items() if n != name})
        if rating and prompt and (text or isinstance(items[0], str)):
            layout = Layout("lists", prompt=prompt, answers=name, response=text, rating=rating)
            return _with_rule(layout, given)
    return None


def rated_layout(
    base: Layout,
    columns: Mapping[str, Column],
    sample: Sequence[Mapping[str, Any]],
    given: Mapping[str, Any],
) -> Layout:
    """Complete demonstrations by what rates each answer, if anything does.

    Raises:
        AskedError: Pairs could be made, or it is open from which rating on an answer is liked.
    """
    rest = {n: c for n, c in columns.items() if n not in (base.prompt, base.response, base.input)}
    rating = given.get("rating") or _rating_of([n for n, c in rest.items() if _rates(c)])
    if not rating or base.prompt == base.response:
        return base
    if given.get("pairs"):
        return _with_rule(replace(base, shape="rated", rating=rating), given)
    if given.get("least") is not None or given.get("liked"):
        return replace(base, rating=rating, reason=_liked_reason(base, rating))
    column = columns[rating]
    if column.codes <= LIKED | DISLIKED and not _may_pair(base.prompt, rating, sample):
        liked = tuple(sorted(column.codes & LIKED))
        return replace(base, rating=rating, liked=liked, reason=_liked_reason(base, rating))
    raise _question(base, column, sample)


def _liked_reason(base: Layout, rating: str) -> Message:
    return Message("mapping.liked", prompt=base.prompt, response=base.response, rating=rating)


def _question(base: Layout, column: Column, sample: Sequence[Mapping[str, Any]]) -> AskedError:
    """Ask whether pairs are made of rated answers, or from which rating on one is liked."""
    rating = column.name
    ways: list[dict[str, Any]] = []
    if _may_pair(base.prompt, rating, sample):
        ways.append({"rating": rating, "pairs": "best_worst"})
    if column.codes <= LIKED | DISLIKED:
        ways.append({"rating": rating, "liked": sorted(column.codes & LIKED)})
    else:
        middle = (column.low + column.high) / 2
        values = sorted(n for n in map(number_of, column.codes) if n is not None)
        above = next((value for value in values if value > middle), column.high)
        ways += [
            {"rating": rating, "least": f"{value:g}"} for value in sorted({above, column.high})
        ]
    rows = tuple(
        {
            "row": number,
            "value": str(row.get(rating))[:40],
            "outcome": "rated",
            "prompt": str(row.get(base.prompt))[:160],
            "first": str(row.get(base.response))[:160],
            "second": "",
        }
        for number, row in enumerate(sample[:3], 1)
    )
    readings = tuple(Reading(way, rows=rows) for way in ways)
    flags = "; ".join(f"--map {reading.flag()}" for reading in readings)
    opening = Message(
        "data.ask_opening_rated", answer=base.response[:60], rating=rating[:60], flags=flags
    )
    return AskedError(Question(rating, base.response, "", readings, base.prompt, opening))


def _may_pair(prompt: str, rating: str, sample: Sequence[Mapping[str, Any]]) -> bool:
    """Whether some prompt has answers that are rated differently."""
    seen: dict[str, str] = {}
    for row in sample:
        code = code_of(row.get(rating))
        if code and seen.setdefault(str(row.get(prompt)), code) != code:
            return True
    return False


def is_liked(row: Mapping[str, Any], layout: Layout) -> bool:
    """Whether an answer is one to learn from."""
    value = row.get(layout.rating)
    if layout.least is not None:
        number = number_of(value)
        return number is not None and number >= layout.least
    return code_of(value) in layout.liked


def _rates(column: Column) -> bool:
    plain = column.codes <= LIKED | DISLIKED or column.numeric
    return plain and len(column.codes) > 1 and column.content != "messages"


def _rating_of(names: Sequence[str]) -> str:
    words = {name: set(name_words(name)) for name in names}
    ranked = next((name for name in names if RANK & words[name]), "")
    if ranked:
        return ranked
    return next((name for wanted in RATING for name in names if wanted in words[name]), "")


def _key_of_text(item: Mapping[str, Any]) -> str:
    texts = [key for key, value in item.items() if isinstance(value, str)]
    named = (key for wanted in TEXT_KEYS for key in texts if wanted in name_words(key))
    return next(named, "")


def _is_answers(value: Any) -> bool:  # noqa: ANN401 - any cell
    if not isinstance(value, list) or len(value) < 2:
        return False
    if all(isinstance(item, str) for item in value):
        return True
    return all(isinstance(i, Mapping) and not {"role", "from"} & i.keys() for i in value)


def _rating_beside(items: Sequence[str], row: Mapping[str, Any]) -> str:
    """The column with one number for each of a list of texts."""
    fitting = [
        name
        for name, value in row.items()
        if isinstance(value, list)
        and len(value) == len(items)
        and all(number_of(number) is not None for number in value)
    ]
    return _rating_of(fitting)


def _with_rule(layout: Layout, given: Mapping[str, Any]) -> Layout:
    rule = given.get("pairs") or "best_worst"
    if gap_of(rule) is None and rule not in RULES:
        raise DataError(f"--map: pairs should be {', '.join(RULES)} or gap:NUMBER, got {rule!r}.")
    low = given.get("direction") == "low" or RANK & set(name_words(layout.rating))
    end = "low" if low and given.get("direction") != "high" else "high"
    reason = Message(
        "mapping.rated",
        prompt=layout.prompt,
        rating=layout.rating,
        end=Message(f"mapping.end_{end}"),
        rule=rule,
    )
    return replace(layout, pairs=rule, direction=end, reason=reason)


def pair_layout(layout: Layout) -> Layout:
    """How the rows that `pair_rows` makes are read."""
    return replace(
        layout, shape="explicit", chosen=CHOSEN, rejected=REJECTED, margin=MARGIN, response=""
    )


CHOSEN, REJECTED, MARGIN = "chosen answer", "rejected answer", "margin of ratings"


def pair_rows(
    rows: Iterable[RawRow], layout: Layout, problems: Problems, counts: RuleCounts
) -> Iterator[RawRow]:
    """Make rows with a chosen and a rejected answer of rows with rated answers.

    Rated answers one a row are grouped by prompt first, wherever in the file they stand.

    Args:
        rows: As read.
        layout: Of the shape `lists` or `rated`.
        problems: Told of prompts whose answers are all rated alike, or not rated.
        counts: Counts what other rules would make.
    """
    for raw in _grouped(rows, layout) if layout.shape == "rated" else rows:
        if raw.value is None:
            yield raw
            continue
        rated = _answers(raw.value, layout)
        if len(rated) < 2:
            problems.add("unjudged", raw.number)
            continue
        counts.add(rated)
        pairs = list(pairs_by(layout.pairs, rated, seed=raw.number))
        if not pairs:
            problems.add("tie", raw.number)
        kept = {n: v for n, v in raw.value.items() if n not in (layout.answers, layout.rating)}
        for (chosen, high), (rejected, low) in pairs:
            made = {CHOSEN: chosen, REJECTED: rejected, MARGIN: high - low}
            yield raw._replace(value=kept | made)


def _grouped(rows: Iterable[RawRow], layout: Layout) -> Iterator[RawRow]:
    groups: dict[tuple[str, ...], RawRow] = {}
    for raw in rows:
        if raw.value is None:
            yield raw
            continue
        named = (layout.prompt, layout.input, layout.system, layout.history)
        key = tuple(str(raw.value.get(name)) for name in named)
        item = {name: raw.value.get(name) for name in (layout.response, layout.rating)}
        first = groups.setdefault(key, raw._replace(value={**raw.value, GROUP: []}))
        if first.value is not None:
            first.value[GROUP].append(item)
    yield from groups.values()


GROUP = "rated answers"


def _answers(row: Mapping[str, Any], layout: Layout) -> list[Rated]:
    """The answers of a row with their ratings, the higher the better."""
    sign = -1 if layout.direction == "low" else 1
    items = _listed(row.get(layout.answers or GROUP))
    if not layout.response:
        values = _listed(row.get(layout.rating))
        both = list(zip(items, values, strict=False))
    else:
        both = [
            (item.get(layout.response), item.get(layout.rating))
            for item in items
            if isinstance(item, Mapping)
        ]
    rated = []
    for text, value in both:
        number = _degree(value)
        if isinstance(text, str) and number is not None:
            rated.append((text, sign * number))
    return rated


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - any cell
    return value if isinstance(value, list) else []


def _degree(value: Any) -> float | None:  # noqa: ANN401 - any cell
    code = code_of(value)
    if isinstance(value, bool) or not code.lstrip("-").replace(".", "").isdigit():
        return 1.0 if code in LIKED else 0.0 if code in DISLIKED else None
    return number_of(value)
