"""One reviewer's session: the next item, the vote, undo, and how far they are.

What leaves this module before the vote is a prompt and two texts. Which of them is whose is decided
by a keyed hash of reviewer and item; the key never leaves the store, so the page, its traffic and
the item's name tell nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from drpo.errors import DataError
from drpo.review.disagreement import raise_disagreements
from drpo.review.results import results
from drpo.review.sampling import Item, Review, load_review
from drpo.store import Store
from drpo.store.schema import Vote

Pressed = Literal["left", "right", "tie", "both_bad", "skip"]
REASONS = ("correct", "complete", "concise", "clear", "safe", "invented", "off_topic", "unfinished")
"""Tags a reviewer may give as reasons: the first five speak for the chosen answer, the others
against the rejected one."""
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class BlindItem:
    """All that a page may know before the vote."""

    item: str
    prompt: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one reviewer is."""

    judged: int
    skipped: int
    total: int

    @property
    def left(self) -> int:
        """Items neither judged nor skipped."""
        return self.total - self.judged - self.skipped


@dataclass(frozen=True, slots=True)
class Reveal:
    """Whose the answers were, once the vote is in."""

    left: str
    right: str
    choice: str


def reviewer_name(text: str) -> str:
    """Tidy a reviewer's name, so that the same person is the same reviewer.

    Raises:
        DataError: It is empty or longer than 64 characters.
    """
    name = " ".join(unicodedata.normalize("NFKC", text).split())
    if not name or len(name) > LONGEST_NAME:
        raise DataError(
            f"A reviewer needs a name of 1 to {LONGEST_NAME} characters; got {len(name)}."
        )
    return name


class ReviewSession:
    """Hands one review to one reviewer.

    Raises:
        DataError: There is no such review, or the reviewer's name is unusable.
    """

    def __init__(self, store: Store, review_id: str, reviewer: str) -> None:
        self._store = store
        self._review: Review = load_review(store, review_id)
        self.reviewer = reviewer_name(reviewer)

    def next(self) -> BlindItem | None:
        """Return the first item without a vote; None when every item has one or was skipped."""
        voted = {vote.item for vote in self._votes()}
        for item in self._review.items:
            if item.id not in voted:
                return self._blind(item)
        return None

    def skipped(self) -> BlindItem | None:
        """Return the item whose skip is the oldest, to be judged after all."""
        skipped = [vote for vote in self._votes() if vote.choice == "skip"]
        return self._blind(self._review.item(skipped[0].item)) if skipped else None

    def number(self, item_id: str) -> int:
        """Return an item's place in the review, from 1; the same whenever it is shown.

        Raises:
            DataError: The item is not of this review.
        """
        return self._review.items.index(self._review.item(item_id)) + 1

    def vote(
        self, item_id: str, pressed: Pressed, *, reasons: Sequence[str] = (), seconds: float = 0.0
    ) -> int:
        """Write a choice down and return the vote's id.

        A second vote on the same item (a double click, another tab) changes nothing; a skipped
        item may be judged later, or skipped again to come after the other skipped ones.

        Raises:
            DataError: The item is not of this review, or the choice or a reason is unknown.
        """
        item = self._review.item(item_id)
        if pressed not in get_args(Pressed) or not set(reasons) <= set(REASONS):
            raise DataError(
                f"Unknown choice {pressed!r} or reason among {list(reasons)!r}; choices are "
                f"{', '.join(get_args(Pressed))}, reasons {', '.join(REASONS)}."
            )
        standing = [vote for vote in self._votes() if vote.item == item_id]
        if standing and standing[-1].choice != "skip":
            return standing[-1].id
        for vote in standing:
            self._store.votes.undo(vote.id)
        vote_id = self._store.votes.add(
            Vote(
                review_id=self._review.id,
                reviewer=self.reviewer,
                item=item_id,
                choice=self._choice(item, pressed),
                payload={
                    "side": pressed,
                    "reasons": sorted(reasons),
                    "seconds": round(max(0.0, seconds), 1),
                },
            )
        )
        if self.next() is None:
            # Not earlier: an alarm while somebody still judges would tell them how others voted.
            raise_disagreements(self._store, results(self._store, self._review.id))
        return vote_id

    def undo(self) -> BlindItem | None:
        """Take back the last vote and return its item; None when there is none."""
        votes = self._votes()
        if not votes:
            return None
        self._store.votes.undo(votes[-1].id)
        return self._blind(self._review.item(votes[-1].item))

    def progress(self) -> Progress:
        """Say how far the reviewer is."""
        votes = {vote.item: vote.choice for vote in self._votes()}
        skipped = sum(choice == "skip" for choice in votes.values())
        return Progress(len(votes) - skipped, skipped, len(self._review.items))

    def reveal(self, item_id: str) -> Reveal | None:
        """Say whose the answers were; None before the vote."""
        for vote in self._votes():
            if vote.item == item_id and vote.choice != "skip":
                item = self._review.item(item_id)
                sides = (item.first, item.second)
                if not self._first_is_left(item):
                    sides = (item.second, item.first)
                labels = [self._review.sources[side.source].label for side in sides]
                return Reveal(labels[0], labels[1], vote.payload["side"])
        return None

    def _blind(self, item: Item) -> BlindItem:
        texts = (item.first.text, item.second.text)
        left, right = texts if self._first_is_left(item) else reversed(texts)
        return BlindItem(item.id, item.prompt, left, right)

    def _choice(self, item: Item, pressed: Pressed) -> str:
        if pressed not in ("left", "right"):
            return pressed
        return "first" if (pressed == "left") == self._first_is_left(item) else "second"

    def _first_is_left(self, item: Item) -> bool:
        return first_is_left(self._review, self.reviewer, item.id)

    def _votes(self) -> list[Vote]:
        return self._store.votes.all(self._review.id, reviewer=self.reviewer)


def first_is_left(review: Review, reviewer: str, item_id: str) -> bool:
    """Decide the order of an item for a reviewer: the same always, and told by nothing else."""
    message = f"{len(reviewer)}:{reviewer}:{item_id}".encode()
    return bool(hmac.new(bytes.fromhex(review.secret), message, hashlib.sha256).digest()[0] & 1)
