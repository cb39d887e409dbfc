"""Blind review: draw one, judge its items, and read what the votes say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drpo.access import see_that_may
from drpo.dashboard.client.access import asks, person, signing_in
from drpo.dashboard.client.opened import opened
from drpo.dashboard.client.store import store
from drpo.review import BlindItem, Results, Review, ReviewSession, ReviewSource, export, sampling
from drpo.review import results as results_of
from drpo.review.disagreement import raise_disagreements
from drpo.review.export import preference_file
from drpo.review.results import Duel, Slice
from drpo.review.results import slices as slices_of
from drpo.review.session import LONGEST_NAME, REASONS, Pressed
from drpo.store.schema import Dataset

__all__ = [
    "REASONS",
    "BlindItem",
    "Duel",
    "Pressed",
    "Results",
    "Review",
    "ReviewSession",
    "ReviewSource",
    "Slice",
    "create",
    "delete",
    "every",
    "preference_file",
    "preference_rows",
    "prompts_of",
    "restore",
    "results",
    "reviewer_here",
    "save_preferences",
    "session",
    "slices",
    "undo",
    "vote",
    "warn",
]


def every(*, deleted: bool = False) -> list[Review]:
    """All reviews, newest first: those that are here, or those that were deleted.

    Raises:
        AccessError: The visitor may neither judge nor look at results.
    """
    see_that_may(person(), "review", "look")
    return sampling.reviews(opened(), deleted=deleted)


@asks("delete")
def delete(review_id: str) -> None:
    """Take a review out of the list."""
    sampling.delete_review(store(), review_id)


@asks("delete")
def restore(review_id: str) -> None:
    """Bring a deleted review back."""
    sampling.restore_review(store(), review_id)


@asks("draw", made=lambda review: review.id)
def create(name: str, sources: Sequence[ReviewSource], *, items: int, repeats: int) -> Review:
    """Draw a review and write it down; see `sampling.create_review`."""
    return sampling.create_review(store(), name, sources, items=items, repeats=repeats)


def reviewer_here() -> str:
    """The name that a signed-in person judges under, and no other; empty where nobody signs in."""
    return person().name[:LONGEST_NAME] if signing_in() else ""


def session(review_id: str, reviewer: str) -> ReviewSession:
    """One reviewer's way through one review; the signed-in person's, whatever name is given.

    Raises:
        AccessError: The visitor may not judge.
        DataError: There is no such review, or the reviewer's name is unusable.
    """
    see_that_may(person(), "review")
    return ReviewSession(opened(), review_id, reviewer_here() or reviewer)


@asks("review")
def vote(
    review_id: str,
    reviewer: str,
    item: str,
    pressed: Pressed,
    *,
    reasons: Sequence[str] = (),
    seconds: float = 0.0,
) -> None:
    """Write a choice down; see `ReviewSession.vote`."""
    session(review_id, reviewer).vote(item, pressed, reasons=reasons, seconds=seconds)


@asks("review")
def undo(review_id: str, reviewer: str) -> None:
    """Take the last vote back; see `ReviewSession.undo`."""
    session(review_id, reviewer).undo()


def results(review_id: str) -> Results:
    """What a review's votes say."""
    return results_of(store(), review_id)


def warn(results: Results) -> None:
    """Raise an alarm on every run whose reward model people contradict."""
    raise_disagreements(store(), results)


def slices(review_id: str, subject: int, other: int) -> list[Slice]:
    """One pair's human win rate by length and prompt; see `drpo.review.results.slices`."""
    return slices_of(store(), review_id, subject, other)


def prompts_of(source: ReviewSource) -> set[str]:
    """The prompts that a source answered."""
    return set(sampling.answers_of(store(), source, 0))


def preference_rows(review_id: str) -> list[dict[str, Any]]:
    """The votes as preference pairs; see `export.preference_rows`."""
    return export.preference_rows(store(), review_id)


@asks("draw")
def save_preferences(review_id: str, name: str) -> Dataset:
    """Save the votes as a data set; see `export.save_preferences`."""
    return export.save_preferences(store(), review_id, name)
