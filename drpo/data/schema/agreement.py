"""Several annotators of one pair: what most of them say, and how far they agree."""

from __future__ import annotations

from collections.abc import Sequence

from drpo.data.schema.column_mapping import Outcome


def majority(votes: Sequence[Outcome]) -> Outcome | None:
    """Return what more than half of the annotators said; None if nothing was.

    Votes that were not cast do not count; no votes at all is unjudged.
    """
    cast = [vote for vote in votes if vote != "unjudged"]
    if not cast:
        return "unjudged"
    for outcome in set(cast):
        if cast.count(outcome) * 2 > len(cast):
            return outcome
    return None


class Agreement:
    """How far annotators agree: unanimous rows, agreeing pairs of votes, Krippendorff's alpha."""

    def __init__(self) -> None:
        self._rows = 0
        self._unanimous = 0
        self._pairs = 0
        self._agreeing = 0
        self._observed = 0.0
        self._votes: dict[str, int] = {}

    def add(self, votes: Sequence[Outcome]) -> None:
        """Take the votes on one row; rows with fewer than two votes say nothing."""
        cast = [vote for vote in votes if vote != "unjudged"]
        if len(cast) < 2:
            return
        counts = {vote: cast.count(vote) for vote in set(cast)}
        agreeing = sum(count * (count - 1) for count in counts.values())
        self._rows += 1
        self._unanimous += len(counts) == 1
        self._pairs += len(cast) * (len(cast) - 1)
        self._agreeing += agreeing
        self._observed += (len(cast) * (len(cast) - 1) - agreeing) / (len(cast) - 1)
        for vote, count in counts.items():
            self._votes[vote] = self._votes.get(vote, 0) + count

    def summary(self) -> dict[str, float] | None:
        """Return the figures, or None when no row has two votes."""
        if not self._rows:
            return None
        total = sum(self._votes.values())
        expected = total * total - sum(count * count for count in self._votes.values())
        # Krippendorff 2011, "Computing Krippendorff's alpha-reliability", nominal data:
        # alpha = 1 - observed / expected disagreement; without any variation there is none.
        alpha = 1.0 if expected == 0 else 1 - (total - 1) * self._observed / expected
        return {
            "rows": self._rows,
            "unanimous": self._unanimous / self._rows,
            "agreeing_votes": self._agreeing / self._pairs,
            "krippendorff_alpha": alpha,
        }
