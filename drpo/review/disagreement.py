"""Where people's votes and the learned reward part, the run hears of it like of any other alarm."""

from __future__ import annotations

from dataclasses import replace

from drpo.alarms.alarms import Alarm, Evidence
from drpo.alarms.examples import SHOWN
from drpo.alarms.handler import raise_alarm
from drpo.alarms.human_disagreement import people_disagree
from drpo.review.results import OUTCOMES, Duel, Results, standing_votes
from drpo.review.sampling import Review, ReviewSource, load_review
from drpo.store import Store


def raise_disagreements(store: Store, found: Results) -> list[Alarm]:
    """Raise the alarm at every run whose answers the reward model prefers and people do not.

    Each pair of sources is looked at from both sides. A start policy and the data's own answers
    have nothing to be warned of: nothing was trained on a reward to write them.

    Args:
        store: Where the review, its runs and their events are.
        found: What the votes say so far.

    Returns:
        The alarms that stand, told before or not.
    """
    review = load_review(store, found.review_id)
    raised = []
    for duel in found.duels:
        for mine in (duel.subject, duel.other):
            alarm = _of(duel, mine)
            if alarm is not None and store.runs.exists(mine.run_id):
                alarm = replace(alarm, evidence=_evidence(store, review, mine))
                raise_alarm(store, mine.run_id, alarm)
                raised.append(alarm)
    return raised


def _of(duel: Duel, mine: ReviewSource) -> Alarm | None:
    """The alarm about one side of a pair, where there is one."""
    human, model = duel.human, duel.reward_model.value
    if mine.answers != "policy" or mine.step == 0 or human.value is None or model is None:
        return None
    low, high = human.low or 0.0, 1.0 if human.high is None else human.high
    shares = (human.value, low, high, model)
    if mine != duel.subject:
        shares = (1 - human.value, 1 - high, 1 - low, 1 - model)
    return people_disagree(
        mine.step,
        human=shares[0],
        low=shares[1],
        high=shares[2],
        votes=duel.votes,
        model=shares[3],
    )


def _evidence(store: Store, review: Review, mine: ReviewSource) -> tuple[Evidence, ...]:
    """The run's answers that score higher than the one people preferred to them."""
    items = {item.id: item for item in review.items}
    lost = set()
    for vote in standing_votes(store, review.id):
        item = items.get(vote.item)
        if item is None or vote.choice not in ("first", "second"):
            continue
        sides = (item.first, item.second)
        won, other = sides if OUTCOMES[vote.choice] == 1 else sides[::-1]
        known = won.score is not None and other.score is not None
        if review.sources[other.source] == mine and known and other.score > won.score:  # type: ignore[operator]
            lost.add((item.prompt, other.text))
    samples = store.samples.at(mine.run_id, mine.step)
    shown = [one for one in samples if (one.prompt, one.response) in lost]
    return tuple(Evidence(one.step, one.kind, one.item, one.start) for one in shown[:SHOWN])
