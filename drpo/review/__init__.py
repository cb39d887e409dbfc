"""Blind review: people judge answers without knowing whose they are.

`sampling` draws a fixed set of items, `session` hands them to one reviewer and takes the votes,
`results` says what the votes come to, `export` turns them into preference pairs. Nothing here loads
torch.
"""

from drpo.review.export import preference_rows, write_preferences
from drpo.review.results import Results, results
from drpo.review.sampling import Review, ReviewSource, create_review, load_review, reviews
from drpo.review.session import BlindItem, Progress, ReviewSession

__all__ = [
    "BlindItem",
    "Progress",
    "Results",
    "Review",
    "ReviewSession",
    "ReviewSource",
    "create_review",
    "load_review",
    "preference_rows",
    "results",
    "reviews",
    "write_preferences",
]
