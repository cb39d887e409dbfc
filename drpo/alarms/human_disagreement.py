"""The alarm that people's votes raise, when the reward model's preference is not theirs."""

from __future__ import annotations

from drpo.alarms.alarms import Alarm

MIN_VOTES = 10
"""Fewer votes than this decide nothing."""


def people_disagree(
    step: int, *, human: float, low: float, high: float, votes: int, model: float
) -> Alarm | None:
    """Compare how often people and the reward model prefer a run's answers.

    Args:
        step: The checkpoint that was judged.
        human: Share of comparisons that people decided for the run's answers.
        low: Lower end of its 95 % interval.
        high: Upper end.
        votes: Comparisons that people decided.
        model: The reward model's share on the same comparisons.

    Returns:
        An alarm when the reward model prefers them, more than the votes allow, and people do not.
    """
    # A model never wavers and people do, so its share is the larger one wherever both prefer the
    # same side; a review shows that gap, and no one need be called for it.
    agreed = low > 0.5 or model <= 0.5
    if votes < MIN_VOTES or model <= high or agreed:
        return None
    values = {
        "human_share": human,
        "low_share": low,
        "high_share": high,
        "model_share": model,
        "votes": float(votes),
    }
    return Alarm("people_disagree", step, step, 1, values)
