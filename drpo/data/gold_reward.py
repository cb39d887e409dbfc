"""The true reward, where the data know it: how many key facts an answer restates.

A data set may say beside itself which facts its answers should hold (`<file>.gold.json`), so that
true reward can be plotted beside the learned one. An answer earns a fact only by saying it once and
nothing else in its place: saying every word of a slot, saying one twice, going on and on or never
coming to an end earns nothing, which is what makes the score hard to fool.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class GoldScorer:
    """Scores answers of one data set by the facts of their row."""

    slots: Mapping[str, tuple[str, ...]]
    strict: bool
    max_words: int | None = None
    ending: str = ""

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


def sidecar_of(data: Path) -> Path:
    """Where the gold score of a data file is described."""
    return data.with_name(data.name + SIDECAR_SUFFIX)


def load_gold(data: Path) -> GoldScorer | None:
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


def gold_from_record(record: Mapping[str, Any]) -> GoldScorer:
    """Build a scorer from a description, as the `.gold.json` file and the store keep it.

    Raises:
        ValueError: The description is of another kind or has no slots.
    """
    if record["kind"] != "facts" or not isinstance(record["strict"], bool) or not record["slots"]:
        raise ValueError(f"kind {record['kind']!r}, strict {record['strict']!r}")
    slots = {str(slot): tuple(map(str, words)) for slot, words in record["slots"].items()}
    limit = record.get("max_words")
    return GoldScorer(
        slots,
        strict=record["strict"],
        max_words=None if limit is None else int(limit),
        ending=str(record.get("ending", "")),
    )
