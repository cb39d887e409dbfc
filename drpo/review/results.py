"""What the votes come to: win rates, ranking, agreement, and how far to trust them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from drpo.review.sampling import Item, Review, ReviewSource, SourceAnswer, load_review
from drpo.stats.agreement import (
    Agreement,
    SelfConsistency,
    SideBias,
    krippendorff,
    self_consistency,
    side_bias,
)
from drpo.stats.bradley_terry import Comparison, Ranking, bradley_terry
from drpo.stats.intervals import Interval, VotesNeeded, votes_needed, win_rate
from drpo.store import Store
from drpo.store.schema import Vote

OUTCOMES = {"first": 1.0, "second": 0.0, "tie": 0.5, "both_bad": 0.5}
"""Both bad is a tie for the win rate; how often it was said is reported beside."""


@dataclass(frozen=True, slots=True)
class Duel:
    """One pair of sources: how often people, and the recorded scores, prefer one to the other."""

    subject: ReviewSource
    other: ReviewSource
    human: Interval
    """Share of votes for the subject, ties half, prompts resampled whole."""
    votes: int
    ties: int
    both_bad: int
    needed: VotesNeeded
    reward_model: Interval
    """The same from the learned scores of the same items: one verdict an item that was voted on."""
    gold: Interval
    gap: Interval
    """Reward model minus people, on the same prompts: above 0, the learned reward likes the
    subject better than people do, which is what reward hacking looks like."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The human win rate on a part of the items."""

    kind: Literal["length", "prompt_length", "prompt"]
    name: str
    """longer, similar, shorter (the subject's answer); short, medium, long; or the prompt."""
    human: Interval


@dataclass(frozen=True, slots=True)
class Reviewer:
    """One person's votes."""

    name: str
    judged: int
    skipped: int
    consistency: SelfConsistency
    bias: SideBias
    seconds: float | None
    """Median time for a vote; None when it was not measured."""


@dataclass(frozen=True, slots=True)
class Results:
    """Everything the votes of one review say."""

    review_id: str
    duels: tuple[Duel, ...]
    ranking: Ranking
    agreement: Agreement
    reviewers: tuple[Reviewer, ...]
    identical: int
    """Pairs of equal text, which nobody was shown and no rate counts."""
    reasons: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def results(store: Store, review_id: str, *, reviewers: Iterable[str] | None = None) -> Results:
    """Work out what a review's votes say.

    Args:
        store: Where the review lives.
        review_id: Which review.
        reviewers: Count these people's votes only; all when None.

    Raises:
        DataError: There is no such review.
    """
    review = load_review(store, review_id)
    wanted = None if reviewers is None else set(reviewers)
    votes = standing_votes(store, review_id)
    if wanted is not None:
        votes = [vote for vote in votes if vote.reviewer in wanted]
    items = {item.id: item for item in review.items}
    cast = [(items[vote.item], vote) for vote in votes if vote.item in items]
    # A repeat asks about the reviewer, not about the answers: it never counts twice.
    counted = [(i, v) for i, v in cast if i.repeats is None and v.choice != "skip"]
    return Results(
        review_id=review_id,
        duels=tuple(_duels(review, counted)),
        ranking=_ranking(review, counted),
        agreement=krippendorff((item.id, vote.choice) for item, vote in counted),
        reviewers=tuple(_reviewers(cast)),
        identical=review.identical,
        reasons=dict(Counter(tag for _, v in counted for tag in v.payload.get("reasons", ()))),
    )


def standing_votes(store: Store, review_id: str) -> list[Vote]:
    """Return one vote per reviewer and item: the first that stands, oldest first."""
    first: dict[tuple[str, str], Vote] = {}
    for vote in store.votes.all(review_id):
        first.setdefault((vote.reviewer, vote.item), vote)
    return list(first.values())


def slices(
    store: Store, review_id: str, subject: int, other: int, *, most_prompts: int = 50
) -> list[Slice]:
    """Split one pair's human win rate by who was longer, by prompt length, and by prompt.

    Args:
        store: Where the review lives.
        review_id: Which review.
        subject: Place of the source whose wins are counted.
        other: Place of the source it meets.
        most_prompts: Most single prompts to list, those with most votes first.
    """
    review = load_review(store, review_id)
    items = {item.id: item for item in review.items}
    votes = [
        (items[vote.item], vote)
        for vote in standing_votes(store, review_id)
        if vote.item in items and items[vote.item].repeats is None and vote.choice != "skip"
    ]
    mine = [(i, v) for i, v in votes if {i.first.source, i.second.source} == {subject, other}]
    lengths = sorted(len(item.prompt) for item, _ in mine)
    found = _sliced("length", mine, subject, lambda item: _longer(item, subject))
    found += _sliced("prompt_length", mine, subject, lambda item: _tercile(item, lengths))
    by_prompt = _sliced("prompt", mine, subject, lambda item: item.prompt)
    by_prompt.sort(key=lambda part: (-part.human.n, part.human.value or 0.0))
    return found + by_prompt[:most_prompts]


def _duels(review: Review, counted: Sequence[tuple[Item, Vote]]) -> list[Duel]:
    duels = []
    for other, subject in itertools.combinations(range(len(review.sources)), 2):
        mine = [(i, v) for i, v in counted if {i.first.source, i.second.source} == {subject, other}]
        human = [_outcome(item, vote, subject) for item, vote in mine]
        prompts = [item.prompt for item, _ in mine]
        duels.append(
            Duel(
                subject=review.sources[subject],
                other=review.sources[other],
                human=win_rate(human, prompts),
                votes=len(mine),
                ties=sum(vote.choice == "tie" for _, vote in mine),
                both_bad=sum(vote.choice == "both_bad" for _, vote in mine),
                needed=votes_needed(human, prompts),
                reward_model=_recorded_rate(mine, subject, "score"),
                gold=_recorded_rate(mine, subject, "gold"),
                gap=_gap(mine, subject),
            )
        )
    return duels


def _outcome(item: Item, vote: Vote, subject: int) -> float:
    """1 when the vote went to the subject's answer."""
    first_won = OUTCOMES[vote.choice]
    return first_won if item.first.source == subject else 1 - first_won


def _recorded(item: Item, subject: int, figure: Literal["score", "gold"]) -> float | None:
    """What the recorded scores say of an item: 1 when the subject's answer has the higher one."""
    mine, theirs = _sides(item, subject)
    a, b = getattr(mine, figure), getattr(theirs, figure)
    if a is None or b is None:
        return None
    return 0.5 if a == b else float(a > b)


def _recorded_rate(
    mine: Sequence[tuple[Item, Vote]], subject: int, figure: Literal["score", "gold"]
) -> Interval:
    items = {item.id: item for item, _ in mine}.values()
    known = [(_recorded(item, subject, figure), item.prompt) for item in items]
    scored = [(outcome, prompt) for outcome, prompt in known if outcome is not None]
    return win_rate([outcome for outcome, _ in scored], [prompt for _, prompt in scored])


def _gap(mine: Sequence[tuple[Item, Vote]], subject: int) -> Interval:
    """Reward model's outcome minus the person's, vote by vote, prompts resampled whole."""
    gaps, prompts = [], []
    for item, vote in mine:
        learned = _recorded(item, subject, "score")
        if learned is not None:
            # Moved into 0 to 1, where the bootstrap of a win rate applies, and back below.
            gaps.append((learned - _outcome(item, vote, subject) + 1) / 2)
            prompts.append(item.prompt)
    halved = win_rate(gaps, prompts)
    if halved.value is None or halved.low is None or halved.high is None:
        return Interval(None, -1.0, 1.0, 0, 0, "none")
    value, low, high = (2 * bound - 1 for bound in (halved.value, halved.low, halved.high))
    return Interval(value, low, high, halved.n, halved.clusters, halved.method, halved.level)


def _ranking(review: Review, counted: Sequence[tuple[Item, Vote]]) -> Ranking:
    """Strengths of all sources; the first one is the anchor."""
    keys = [source.key for source in review.sources]
    comparisons = [
        Comparison(
            keys[item.first.source], keys[item.second.source], OUTCOMES[vote.choice], item.prompt
        )
        for item, vote in counted
    ]
    return bradley_terry(comparisons, anchor=keys[0], names=keys)


def _reviewers(cast: Sequence[tuple[Item, Vote]]) -> list[Reviewer]:
    by_name: dict[str, list[tuple[Item, Vote]]] = {}
    for item, vote in cast:
        by_name.setdefault(vote.reviewer, []).append((item, vote))
    people = []
    for name, votes in sorted(by_name.items()):
        choices = {item.id: vote.choice for item, vote in votes if vote.choice != "skip"}
        pairs = [
            (choices[item.repeats], choices[item.id])
            for item, _ in votes
            if item.repeats in choices and item.id in choices
        ]
        sides: list[Literal["left", "right"]] = [
            vote.payload["side"] for _, vote in votes if vote.choice in ("first", "second")
        ]
        times = [vote.payload["seconds"] for _, vote in votes if vote.payload.get("seconds")]
        people.append(
            Reviewer(
                name=name,
                judged=len(choices),
                skipped=sum(vote.choice == "skip" for _, vote in votes),
                consistency=self_consistency(pairs),
                bias=side_bias(sides),
                seconds=median(times) if times else None,
            )
        )
    return people


def _sliced(
    kind: Literal["length", "prompt_length", "prompt"],
    mine: Sequence[tuple[Item, Vote]],
    subject: int,
    name_of: Callable[[Item], str],
) -> list[Slice]:
    groups: dict[str, list[tuple[Item, Vote]]] = {}
    for item, vote in mine:
        groups.setdefault(name_of(item), []).append((item, vote))
    return [
        Slice(
            kind,
            name,
            win_rate(
                [_outcome(item, vote, subject) for item, vote in group],
                [item.prompt for item, _ in group],
            ),
        )
        for name, group in sorted(groups.items())
    ]


def _longer(item: Item, subject: int) -> str:
    """Whose answer is longer by more than a tenth."""
    mine, theirs = (len(side.text) for side in _sides(item, subject))
    if abs(mine - theirs) <= 0.1 * max(mine, theirs):
        return "similar"
    return "longer" if mine > theirs else "shorter"


def _tercile(item: Item, lengths: Sequence[int]) -> str:
    third = len(lengths) / 3
    if len(item.prompt) <= lengths[int(third)]:
        return "short"
    return "medium" if len(item.prompt) <= lengths[int(2 * third)] else "long"


def _sides(item: Item, subject: int) -> tuple[SourceAnswer, SourceAnswer]:
    if item.first.source == subject:
        return item.first, item.second
    return item.second, item.first
