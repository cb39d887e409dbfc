"""The true reward, where the data know it, and where an answer first goes wrong.

A data set may say beside itself how its answers are to be judged (`<file>.gold.json`), so that true
reward can be plotted beside the learned one. Four kinds of it are known:

    facts       how many key facts an answer restates
    exact       whether it is the one right answer
    chain       whether each of its words follows from the one before by a hidden rule
    sentiment   how warmly it speaks, by a lexicon (`drpo.data.sentiment`)

An answer earns a fact only by saying it once and nothing else in its place: saying every word of a
slot, saying one twice, going on and on or never coming to an end earns nothing, which is what makes
the score hard to fool.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from drpo.data.sentiment import SentimentScorer
from drpo.errors import DataError

SIDECAR_SUFFIX = ".gold.json"
_WORD = re.compile(r"\w+")


def score_facts(
    response: str,
    facts: Mapping[str, str],
    slots: Mapping[str, Sequence[str]],
    *,
    strict: bool,
    max_words: int | None = None,
    ending: str = "",
) -> float:
    """Count the facts that an answer restates.

    Args:
        response: The answer's text, without its prompt.
        facts: The right word of each slot.
        slots: Every word each slot could hold.
        strict: 1 when all facts are right and nothing is invented, else 0; otherwise one point a
            fact.
        max_words: A longer answer rambles and scores 0.
        ending: An answer that does not end in this is unfinished and scores 0.

    Returns:
        Points in [0, number of facts], or 0 or 1 when strict.
    """
    words = _WORD.findall(response.casefold())
    if max_words is not None and len(words) > max_words:
        return 0.0
    if not response.rstrip().endswith(ending):
        return 0.0
    said = Counter(words)
    right = sum(_says_only(said, word, slots[slot]) for slot, word in facts.items())
    return float(right == len(facts)) if strict else float(right)


def _says_only(said: Counter[str], word: str, vocabulary: Sequence[str]) -> bool:
    """Whether `word` occurs exactly once and no other word of its slot at all."""
    wanted = word.casefold()
    return all(said[other] == (other == wanted) for other in map(str.casefold, vocabulary))


@runtime_checkable
class Gold(Protocol):
    """The true score of one data set's answers."""

    @property
    def fields(self) -> frozenset[str]:
        """Names that each row's facts have; empty where the text alone is scored."""
        ...

    def __call__(self, response: str, facts: Mapping[str, str]) -> float:
        """Score one answer."""
        ...

    def first_wrong(self, response: str, facts: Mapping[str, str]) -> int | None:
        """Return where an answer first goes wrong, in characters; None where nothing said is."""
        ...


@dataclass(frozen=True)
class GoldScorer:
    """Scores answers of one data set by the facts of their row."""

    slots: Mapping[str, tuple[str, ...]]
    strict: bool
    max_words: int | None = None
    ending: str = ""

    @property
    def fields(self) -> frozenset[str]:
        """The slots."""
        return frozenset(self.slots)

    def first_wrong(self, response: str, facts: Mapping[str, str]) -> int | None:
        """Return where the first word begins that no right answer has there.

        That is a word of a slot that is not the row's, or one that was said before, or the first
        beyond the most words allowed.
        """
        right = {facts[slot].casefold() for slot in self.slots}
        others = {word.casefold() for words in self.slots.values() for word in words} - right
        said: set[str] = set()
        for count, found in enumerate(_WORD.finditer(response)):
            word = found[0].casefold()
            too_many = self.max_words is not None and count >= self.max_words
            if word in others or word in said or too_many:
                return found.start()
            if word in right:
                said.add(word)
        return None

    def __call__(self, response: str, facts: Mapping[str, str]) -> float:
        """Score one answer.

        Raises:
            DataError: The facts do not fill the slots of this data set.
        """
        if facts.keys() != self.slots.keys():
            raise DataError(
                f"Expected facts for {', '.join(self.slots)}, got {', '.join(facts) or 'none'}; "
                f"correct the row's facts or the {SIDECAR_SUFFIX} file beside the data."
            )
        return score_facts(
            response,
            facts,
            self.slots,
            strict=self.strict,
            max_words=self.max_words,
            ending=self.ending,
        )


@dataclass(frozen=True)
class ExactScorer:
    """1 for the one right answer of a row, `facts["answer"]`, else 0."""

    fields = frozenset({"answer"})

    def __call__(self, response: str, facts: Mapping[str, str]) -> float:
        """Score one answer; space around it does not count."""
        return float(response.strip() == facts["answer"])

    def first_wrong(self, response: str, facts: Mapping[str, str]) -> int | None:
        """Return the first character that the right answer does not have there."""
        begin, said = len(response) - len(response.lstrip()), response.strip()
        same = takewhile(lambda both: both[0] == both[1], zip(said, facts["answer"], strict=False))
        right = sum(1 for _ in same)
        return None if right == len(said) else begin + right


@dataclass(frozen=True)
class ChainScorer:
    """1 where each word's hidden class is the one before's, turned over where the bit is 1.

    `facts["bits"]` has one bit a word; before the first word the class is 0. Any word of the right
    class will do, so there are many right answers and nothing to copy.
    """

    classes: Mapping[str, int]
    """The hidden class, 0 or 1, of each word."""

    fields = frozenset({"bits"})

    def __call__(self, response: str, facts: Mapping[str, str]) -> float:
        """Score one answer."""
        whole = len(response.split()) == len(facts["bits"])
        return float(whole and self.first_wrong(response, facts) is None)

    def first_wrong(self, response: str, facts: Mapping[str, str]) -> int | None:
        """Return where the first word begins that does not follow, or is one too many."""
        state, bits = 0, facts["bits"]
        for place, found in enumerate(re.finditer(r"\S+", response)):
            if place >= len(bits):
                return found.start()
            state ^= int(bits[place])
            if self.classes.get(found[0]) != state:
                return found.start()
        return None


def sidecar_of(data: Path) -> Path:
    """Where the gold score of a data file is described."""
    return data.with_name(data.name + SIDECAR_SUFFIX)


def load_gold(data: Path) -> Gold | None:
    """Read the gold score that travels with a data file.

    Args:
        data: The data file; its description is `<file>.gold.json` beside it.

    Returns:
        The scorer, or None when the data set has no gold score.

    Raises:
        DataError: The description is there but cannot be used.
    """
    path = sidecar_of(data)
    if not path.is_file():
        return None
    try:
        return gold_from_record(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f'{path.name}: expected {{"kind": "facts", "strict": true or false, "slots": '
            f"{{slot: [words]}}}}, got something else ({error}); correct or remove it."
        ) from error


def gold_from_record(record: Mapping[str, Any]) -> Gold:
    """Build a scorer from a description, as the `.gold.json` file and the store keep it.

    Raises:
        ValueError: The description is of another kind or lacks what its kind needs.
        DataError: What it scores by is not installed.
    """
    kind = record["kind"]
    if kind == "sentiment":
        return SentimentScorer.from_record(record)
    if kind == "exact":
        return ExactScorer()
    if kind == "chain" and record["classes"]:
        return ChainScorer({str(word): int(bit) for word, bit in record["classes"].items()})
    if kind != "facts" or not isinstance(record["strict"], bool) or not record["slots"]:
        raise ValueError(f"kind {kind!r}, strict {record.get('strict')!r}")
    slots = {str(slot): tuple(map(str, words)) for slot, words in record["slots"].items()}
    limit = record.get("max_words")
    return GoldScorer(
        slots,
        strict=record["strict"],
        max_words=None if limit is None else int(limit),
        ending=str(record.get("ending", "")),
    )
