"""Two sets of answers to the same prompts, set side by side as one judge sees them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from drpo import metrics
from drpo.stats.intervals import Interval, VotesNeeded, mean_over_seeds, votes_needed, win_rate

Rater = Literal["people", "gold", "reward_model"]
JudgeName = Literal["gold", "reward_model"]
Call = Literal["better", "worse", "open"]
"""better, worse: the interval leaves out 50 %; open: it does not, so nothing is decided."""

JUDGES: tuple[JudgeName, ...] = ("gold", "reward_model")
METRIC: dict[JudgeName, str] = {"gold": metrics.EVAL_GOLD, "reward_model": metrics.EVAL_SCORES}
"""The held-out metric that is a judge's mean score."""

Scores = Mapping[str, float]
"""One judge's scores of a policy's answers, by held-out prompt."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Answers set side by side, one outcome a comparison, as seen by one judge."""

    source: Rater
    outcomes: tuple[float, ...]
    """1 where the new answer wins, 0 where the old one does, .5 for a tie."""
    prompts: tuple[Hashable, ...]
    """The prompt of each; comparisons on one prompt are not independent."""
    rate: Interval
    """Share won, ties counted half."""

    @property
    def wins(self) -> int:
        """Comparisons that the new answer won."""
        return sum(outcome > 0.5 for outcome in self.outcomes)

    @property
    def losses(self) -> int:
        """Comparisons that the old answer won."""
        return sum(outcome < 0.5 for outcome in self.outcomes)

    @property
    def ties(self) -> int:
        """Comparisons without a winner."""
        return len(self.outcomes) - self.wins - self.losses

    @property
    def call(self) -> Call:
        """What the interval allows to say."""
        return call_of(self.rate, 0.5)

    @property
    def needed(self) -> VotesNeeded:
        """How many more comparisons a decision would take at this rate."""
        return votes_needed(self.outcomes, self.prompts)


@dataclass(frozen=True, slots=True)
class Change:
    """A score at the start and now, over the same prompts, in its own units."""

    source: JudgeName
    first: float
    last: float
    gain: Interval
    """Mean difference per prompt with Student's t interval."""


def call_of(interval: Interval, neutral: float) -> Call:
    """Say on which side of `neutral` an interval lies, if on one."""
    if interval.low is not None and interval.low > neutral:
        return "better"
    if interval.high is not None and interval.high < neutral:
        return "worse"
    return "open"


def compare(new: Scores, old: Scores, judge: JudgeName, *, seed: int = 0) -> Comparison | None:
    """Set answers to the same held-out prompts side by side.

    Args:
        new: Scores of the answers that may win.
        old: Scores of those they are held against.
        judge: Whose scores they are.
        seed: Seed of the interval's bootstrap.

    Returns:
        None when no prompt was scored on both sides.
    """
    prompts = tuple(prompt for prompt in new if prompt in old)
    if not prompts:
        return None
    outcomes = tuple(outcome(new[prompt], old[prompt]) for prompt in prompts)
    return Comparison(judge, outcomes, prompts, win_rate(outcomes, prompts, seed=seed))


def pooled(source: Rater, parts: Sequence[Comparison]) -> Comparison | None:
    """Lay comparisons of several seeds together; a prompt counts once, with all its seeds."""
    outcomes = tuple(outcome for part in parts for outcome in part.outcomes)
    prompts = tuple(prompt for part in parts for prompt in part.prompts)
    if not outcomes:
        return None
    return Comparison(source, outcomes, prompts, win_rate(outcomes, prompts))


def change_of(new: Scores, old: Scores, judge: JudgeName) -> Change | None:
    """How a score changed between two sets of answers to the same prompts."""
    both = [prompt for prompt in new if prompt in old]
    if not both:
        return None
    return Change(
        judge,
        first=sum(old[prompt] for prompt in both) / len(both),
        last=sum(new[prompt] for prompt in both) / len(both),
        gain=mean_over_seeds([new[prompt] - old[prompt] for prompt in both]),
    )


def outcome(mine: float, theirs: float) -> float:
    """1 for a win, 0 for a loss, .5 for equal scores."""
    if mine == theirs:
        return 0.5
    return 1.0 if mine > theirs else 0.0
