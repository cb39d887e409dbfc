"""Preference pairs over the posts, labelled by a Bradley-Terry draw on the true score."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import grammar
from grammar import Facts, Post

from drpo.data.gold_reward import GoldScorer
from drpo.data.pairs import Pair

SCORERS = {
    task: GoldScorer(
        {slot: tuple(words) for slot, words in grammar.SLOTS.items()},
        strict=task == "strict",
        max_words=grammar.longest_summary() + 2,
        ending=".",
    )
    for task in ("tldr", "strict")
}
# How blunt the labels are. Two facts apart, the worse summary is preferred in 12 % of draws; under
# the strict score a wrong one is preferred to a right one in 14 %.
TEMPERATURE = {"tldr": 1.0, "strict": 0.55}


@dataclass(frozen=True)
class Row:
    """A line of the data files."""

    prompt: str
    chosen: str
    rejected: str
    facts: Facts
    gold_chosen: float
    gold_rejected: float

    def record(self) -> dict[str, Any]:
        """The row as it is written."""
        return dict(vars(self))


def write_posts(count: int, rng: random.Random) -> list[Post]:
    """Posts of which no two state the same facts, so that no prompt is on both sides of a split."""
    posts: dict[tuple[str, ...], Post] = {}
    while len(posts) < count:
        post = grammar.write_post(rng)
        posts.setdefault(tuple(post.facts.values()), post)
    return list(posts.values())


def write_rows(task: str, posts: list[Post], rng: random.Random) -> Iterator[Row]:
    """One labelled pair for each post."""
    answers = _graded_answers if task == "tldr" else _strict_answers
    score = SCORERS[task]
    for post in posts:
        first, second = answers(post.facts, rng)
        gold = score(first, post.facts), score(second, post.facts)
        if grammar.prefers_first(*gold, TEMPERATURE[task], rng):
            yield Row(post.prompt, first, second, post.facts, *gold)
        else:
            yield Row(post.prompt, second, first, post.facts, *reversed(gold))


def as_pair(record: dict[str, Any]) -> Pair:
    """A row of the files as training takes it."""
    return Pair(**record)


def without_noise(record: dict[str, Any]) -> Iterator[Pair]:
    """The row as a faultless judge would label it; nothing where the true scores are equal."""
    pair = as_pair(record)
    if record["gold_chosen"] > record["gold_rejected"]:
        yield pair
    elif record["gold_chosen"] < record["gold_rejected"]:
        yield replace(pair, chosen=pair.rejected, rejected=pair.chosen)


def _graded_answers(facts: Facts, rng: random.Random) -> tuple[str, str]:
    """Summaries by a careful writer and by a careless one, in either order."""
    cares = [rng.uniform(0.6, 1.0), rng.uniform(0.2, 0.9)]
    rng.shuffle(cares)
    texts = [_summary(facts, care, rng) for care in cares]
    while texts[0] == texts[1]:
        texts[1] = _summary(facts, cares[1], rng)
    return texts[0], texts[1]


def _strict_answers(facts: Facts, rng: random.Random) -> tuple[str, str]:
    """Mostly one faultless summary against one with a fault; now and then two of a kind."""
    draw = rng.random()
    kinds = (True, False) if draw < 0.9 else (True, True) if draw < 0.95 else (False, False)
    texts = [_of_kind(facts, faultless, rng) for faultless in rng.sample(kinds, 2)]
    while texts[0] == texts[1]:
        texts[1] = _of_kind(facts, kinds[0] and kinds[1], rng)
    return texts[0], texts[1]


def _of_kind(facts: Facts, faultless: bool, rng: random.Random) -> str:
    """A faultless summary, or one with a fault: wrong words, facts left out, all said twice.

    Most often a single word is wrong, or a judge of the worst word would never look at the words
    that tend to be wrong in company. Without the other faults it would find nothing wrong with
    saying nothing.
    """
    draw = rng.random()
    if faultless or draw < 0.05:
        told = grammar.summarise(facts, rng)
        return told if faultless else told + told
    if draw < 0.2:
        return grammar.leave_out(facts, rng)
    wrong = 1 if draw < 0.7 else rng.randint(2, len(facts))
    slots = rng.sample(list(facts), wrong)
    lies = {slot: grammar.other_word(slot, facts[slot], rng) for slot in slots}
    return grammar.summarise({**facts, **lies}, rng)


def _summary(facts: Facts, right: float, rng: random.Random) -> str:
    return grammar.summarise(grammar.corrupt(facts, right, rng), rng)
