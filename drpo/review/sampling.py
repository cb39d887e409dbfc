"""Draw a review: which prompts, which two answers each, in which order."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from drpo.errors import DataError
from drpo.store import Store

KIND = "review"
EVALUATION_KIND = "evaluation"


@dataclass(frozen=True, slots=True)
class ReviewSource:
    """Whose answers are judged: a run at an evaluation, or the data's own chosen answers."""

    label: str
    """What people call it once votes are in."""
    run_id: str
    step: int
    answers: Literal["policy", "chosen"] = "policy"
    """chosen: the offline answers that the run's held-out prompts came with."""

    @property
    def key(self) -> str:
        """Unique within a review."""
        return f"{self.run_id}@{self.step}:{self.answers}"


@dataclass(frozen=True, slots=True)
class SourceAnswer:
    """One answer as the review keeps it; only its text is ever shown before the vote."""

    source: int
    """Place of its source in the review."""
    text: str
    score: float | None = None
    gold: float | None = None
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Item:
    """Two answers to one prompt."""

    id: str
    """Says nothing: a random name."""
    prompt: str
    first: SourceAnswer
    second: SourceAnswer
    repeats: str | None = None
    """The item it repeats, to see whether a reviewer chooses the same again."""


@dataclass(frozen=True, slots=True)
class Review:
    """A fixed set of items; never changed after it was drawn."""

    id: str
    name: str
    seed: int
    secret: str
    """Key of the left-right order; stays in the store."""
    sources: tuple[ReviewSource, ...]
    items: tuple[Item, ...]
    """In the order they are judged, the same for all, so that unfinished reviews overlap."""
    identical: int
    """Drawn pairs whose two answers were the same text; not shown."""
    created_at: float

    def item(self, item_id: str) -> Item:
        """Return one item.

        Raises:
            DataError: The review has none of that id.
        """
        for item in self.items:
            if item.id == item_id:
                return item
        raise DataError(f"The review {self.name!r} has no item {item_id!r}; reload the page.")


def create_review(
    store: Store,
    name: str,
    sources: Sequence[ReviewSource],
    *,
    items: int = 40,
    repeats: int = 0,
    seed: int = 0,
) -> Review:
    """Draw a review and write it down.

    Every pair of sources gets about the same number of items, and prompts are spread as evenly as
    the answers that were kept allow. Pairs with equal text are set aside: nobody can judge them.

    Args:
        store: Where runs, their answers and the review live.
        name: What people call the review.
        sources: Two or more.
        items: Most items to judge, repeats not counted.
        repeats: Items shown a second time, later on.
        seed: Same seed, same items.

    Raises:
        DataError: There are fewer than two sources, or no prompt that two of them answered.
    """
    name = name.strip()
    if not name:
        raise DataError("A review needs a name; type one.")
    if len({source.key for source in sources}) < max(2, len(sources)):
        raise DataError(
            f"A review compares two or more different sources; got {len(sources)} with "
            f"{len({source.key for source in sources})} different. Choose another run or step."
        )
    if items < 1 or repeats < 0:
        raise DataError(f"A review has at least one item; got {items}, {repeats} repeats.")
    answers = [answers_of(store, source, place) for place, source in enumerate(sources)]
    drawn, identical = _draw(answers, items, np.random.default_rng(seed))
    if not drawn:
        labels = ", ".join(source.label for source in sources)
        reason = "all their answers are the same" if identical else "they share no prompt"
        raise DataError(
            f"Nothing to judge between {labels}: {reason}. Choose runs evaluated on the same "
            "held-out prompts, or other steps."
        )
    review = Review(
        id=f"review-{secrets.token_hex(4)}",
        name=name,
        seed=seed,
        secret=secrets.token_hex(32),
        sources=tuple(sources),
        items=tuple(_with_repeats(drawn, repeats, np.random.default_rng([seed, 1]))),
        identical=identical,
        created_at=time.time(),
    )
    store.documents.put(KIND, review.id, asdict(review))
    return review


def load_review(store: Store, review_id: str) -> Review:
    """Read a review.

    Raises:
        DataError: There is none of that id.
    """
    body = store.documents.get(KIND, review_id)
    if body is None:
        raise DataError(f"There is no review {review_id!r}; the review screen lists all.")
    return _from_body(body)


def reviews(store: Store, *, deleted: bool = False) -> list[Review]:
    """Return the reviews, newest first: those that are here, or those that were deleted."""
    gone = set(store.trash.all(KIND))
    found = [_from_body(document.body) for document in store.documents.all(KIND)]
    kept = [review for review in found if (review.id in gone) == deleted]
    return sorted(kept, key=lambda review: -review.created_at)


def delete_review(store: Store, review_id: str) -> None:
    """Take a review out of the list, votes and all; `restore_review` brings it back."""
    store.trash.put(KIND, load_review(store, review_id).id)


def restore_review(store: Store, review_id: str) -> None:
    """Bring a deleted review back as it was."""
    store.trash.take_back(KIND, review_id)


def answers_of(store: Store, source: ReviewSource, place: int) -> dict[str, SourceAnswer]:
    """Return a source's kept answers by prompt.

    Answers come from the run's evaluations while it trained and, where `drpo eval` was run on it,
    from that evaluation, which keeps an answer to every prompt.
    """
    found: dict[str, SourceAnswer] = {}
    # What such a run's samples hold as score is the true one; no reward model has seen them.
    unseen = store.runs.get(source.run_id).trained_on_gold
    for row in store.samples.at(source.run_id, source.step):
        if source.answers == "chosen":
            if not row.offline:
                continue
            score = None if unseen else row.offline_score
            answer = SourceAnswer(place, row.offline, score, row.offline_gold)
        else:
            score = None if unseen else row.score
            answer = SourceAnswer(place, row.response, score, row.gold, row.finished)
        found.setdefault(row.prompt, answer)
    body = store.documents.get(EVALUATION_KIND, f"{source.run_id}@{source.step}")
    for kept in (body or {}).get("answers", ()):
        found.setdefault(kept["prompt"], _evaluated(kept, source, place))
    return found


def _evaluated(kept: dict[str, Any], source: ReviewSource, place: int) -> SourceAnswer:
    side = kept["chosen"] if source.answers == "chosen" else kept["policy"]
    return SourceAnswer(
        place, side["text"], side.get("score"), side.get("gold"), side.get("finished", True)
    )


def _draw(
    answers: Sequence[dict[str, SourceAnswer]], count: int, rng: np.random.Generator
) -> tuple[list[Item], int]:
    """Deal items out to the pairs of sources in turn; returns them and the equal ones dropped."""
    queues = []
    for one, two in itertools.combinations(answers, 2):
        prompts = [prompt for prompt in one if prompt in two]
        rng.shuffle(prompts)
        queues.append([(prompt, one[prompt], two[prompt]) for prompt in prompts])
    rng.shuffle(queues)
    dealt = [pair for round_ in itertools.zip_longest(*queues) for pair in round_ if pair]
    drawn: list[Item] = []
    identical = 0
    for prompt, first, second in dealt:
        if len(drawn) == count:
            break
        if first.text.strip() == second.text.strip():
            identical += 1
        else:
            drawn.append(Item(_name(rng), prompt, first, second))
    rng.shuffle(drawn)
    return drawn, identical


def _with_repeats(drawn: list[Item], repeats: int, rng: np.random.Generator) -> list[Item]:
    """Mix repeats of items from the first half into the second, so that none follows closely."""
    half = (len(drawn) + 1) // 2
    chosen = rng.permutation(half)[: min(repeats, half)]
    later = drawn[half:]
    for place in chosen:
        original = drawn[place]
        again = Item(
            _name(rng), original.prompt, original.first, original.second, repeats=original.id
        )
        later.insert(int(rng.integers(0, len(later) + 1)), again)
    return drawn[:half] + later


def _name(rng: np.random.Generator) -> str:
    return rng.bytes(8).hex()


def _from_body(body: dict[str, Any]) -> Review:
    items = tuple(
        Item(
            entry["id"],
            entry["prompt"],
            SourceAnswer(**entry["first"]),
            SourceAnswer(**entry["second"]),
            entry["repeats"],
        )
        for entry in body["items"]
    )
    sources = tuple(ReviewSource(**entry) for entry in body["sources"])
    return Review(**{**body, "sources": sources, "items": items})
