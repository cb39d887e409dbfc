"""Strengths against known truth, closed forms and odd cases."""

import numpy as np
import pytest

from drpo.errors import DataError
from drpo.stats.bradley_terry import Comparison, bradley_terry


def simulate(rng, strengths, nu, prompts, per_prompt=1):
    names = list(strengths)
    drawn = []
    for prompt in range(prompts):
        for _ in range(per_prompt):
            i, j = rng.choice(len(names), 2, replace=False)
            p, q = np.exp(strengths[names[i]]), np.exp(strengths[names[j]])
            odds = np.array([p, q, nu * np.sqrt(p * q)])
            outcome = rng.choice([1.0, 0.0, 0.5], p=odds / odds.sum())
            drawn.append(Comparison(names[i], names[j], float(outcome), prompt))
    return drawn


def test_two_contestants_without_ties_give_the_log_odds_of_their_wins():
    votes = [Comparison("b", "a", 1.0, n) for n in range(300)]
    votes += [Comparison("b", "a", 0.0, n) for n in range(300, 400)]
    ranking = bradley_terry(votes, anchor="a")
    assert [score.name for score in ranking.scores] == ["b", "a"]
    assert ranking.scores[0].strength.value == pytest.approx(np.log(3), abs=0.01)
    # Standard error of a log-odds: sqrt(1/300 + 1/100).
    half = ranking.scores[0].strength.high - ranking.scores[0].strength.value
    assert half == pytest.approx(1.96 * np.sqrt(1 / 300 + 1 / 100), rel=0.03)
    assert ranking.scores[1].strength.value == 0


def test_intervals_cover_known_strengths():
    truth = {"start": 0.0, "a": 0.4, "b": 0.9, "c": -0.3}
    rng = np.random.default_rng(0)
    hits = total = 0
    for _ in range(120):
        ranking = bradley_terry(simulate(rng, truth, 0.5, 150, 2), anchor="start")
        for score in ranking.scores:
            if score.name != "start":
                hits += score.strength.low <= truth[score.name] <= score.strength.high
                total += 1
    assert 0.93 <= hits / total <= 0.98


def test_strengths_and_tie_weight_are_recovered_from_many_votes():
    truth = {"start": 0.0, "a": 1.0, "b": 2.0}
    votes = simulate(np.random.default_rng(1), truth, 1.2, 6000)
    ranking = bradley_terry(votes, anchor="start")
    assert {s.name: s.strength.value for s in ranking.scores} == pytest.approx(truth, abs=0.15)
    assert ranking.tie_weight == pytest.approx(1.2, rel=0.1)


def test_order_of_the_two_answers_does_not_matter():
    rng = np.random.default_rng(2)
    votes = simulate(rng, {"start": 0.0, "a": 1.0}, 0.5, 80)
    turned = [Comparison(v.second, v.first, 1 - v.outcome, v.prompt) for v in votes]
    first, second = (bradley_terry(v, anchor="start").scores[0].strength for v in (votes, turned))
    assert first.value == pytest.approx(second.value, abs=1e-5)


def test_winning_everything_gives_a_finite_score():
    ranking = bradley_terry([Comparison("a", "start", 1.0, n) for n in range(30)], anchor="start")
    best = ranking.scores[0].strength
    assert best.low > 0
    assert best.high < 20


def test_nothing_but_ties_gives_equal_scores():
    ranking = bradley_terry([Comparison("a", "start", 0.5, n) for n in range(30)], anchor="start")
    assert [s.strength.value for s in ranking.scores] == pytest.approx([0, 0], abs=1e-6)


def test_no_votes_leave_all_unknown_and_one_vote_decides_nothing():
    empty = bradley_terry([], anchor="start", names=["start", "a"])
    assert [(s.name, s.strength.value) for s in empty.scores] == [("start", None), ("a", None)]
    one = bradley_terry([Comparison("a", "start", 1.0, 0)], anchor="start")
    assert not one.scores[0].strength.excludes(0)


def test_a_contestant_without_any_link_to_the_anchor_is_marked():
    votes = [Comparison("a", "start", 1.0, 0), Comparison("x", "y", 1.0, 1)]
    linked = {score.name: score.linked for score in bradley_terry(votes, anchor="start").scores}
    assert linked == {"start": True, "a": True, "x": False, "y": False}


def test_impossible_comparisons_are_named():
    with pytest.raises(DataError, match="with itself"):
        bradley_terry([Comparison("a", "a", 1.0, 0)], anchor="a")
    with pytest.raises(DataError, match="outcome"):
        bradley_terry([Comparison("a", "b", 0.7, 0)], anchor="a")
