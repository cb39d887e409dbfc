"""Intervals are checked against hand-worked numbers and, by simulation, against known truth."""

import json

import numpy as np
import pytest
from scipy import stats

from drpo.errors import DataError
from drpo.stats.intervals import mean_over_seeds, paired_difference, votes_needed, wilson, win_rate


def clustered_votes(rng, *, prompts, votes, rate, concentration, ties):
    """Votes whose prompts differ in their own win rate (beta-binomial), some of them ties."""
    sizes = rng.integers(1, votes + 1, prompts)
    own = rng.beta(rate * concentration, (1 - rate) * concentration, prompts)
    prompt = np.repeat(np.arange(prompts), sizes)
    outcome = (rng.random(prompt.size) < own[prompt]).astype(float)
    outcome[rng.random(prompt.size) < ties] = 0.5
    return outcome, prompt


@pytest.mark.parametrize(("prompts", "rate"), [(50, 0.5), (100, 0.68), (200, 0.6), (200, 0.85)])
def test_win_rate_interval_covers_the_true_rate(prompts, rate):
    rng = np.random.default_rng(prompts)
    truth = 0.8 * rate + 0.2 * 0.5
    hits = 0
    for repetition in range(800):
        outcome, prompt = clustered_votes(
            rng, prompts=prompts, votes=4, rate=rate, concentration=3, ties=0.2
        )
        interval = win_rate(outcome, prompt, draws=600, seed=repetition)
        hits += interval.low <= truth <= interval.high
    assert 0.93 <= hits / 800 <= 0.97


def test_ignoring_that_votes_on_a_prompt_go_together_would_cover_too_rarely():
    rng = np.random.default_rng(0)
    hits = 0
    for repetition in range(400):
        outcome, prompt = clustered_votes(
            rng, prompts=60, votes=8, rate=0.6, concentration=1, ties=0
        )
        naive = win_rate(outcome, np.arange(prompt.size), draws=400, seed=repetition)
        hits += naive.low <= 0.6 <= naive.high
    assert hits / 400 < 0.85


def test_win_rate_counts_a_tie_as_half():
    assert win_rate([1, 0.5, 0.5, 0], [1, 2, 3, 4]).value == 0.5
    assert win_rate([1, 1, 0.5, 0], [1, 2, 3, 4]).value == 0.625


def test_no_vote_leaves_the_whole_range_open():
    interval = win_rate([], [])
    assert (interval.value, interval.low, interval.high) == (None, 0.0, 1.0)
    json.dumps(interval.to_dict(), allow_nan=False)


def test_one_vote_decides_nothing():
    interval = win_rate([1], ["a"])
    # Wilson by hand for 1 of 1: 1 / (1 + z^2) = 1 / 4.8415.
    assert interval.value == 1
    assert interval.low == pytest.approx(0.2065, abs=1e-4)
    assert not interval.excludes(0.5)


def test_all_ties_give_a_range_around_one_half_of_the_width_that_many_prompts_allow():
    interval = win_rate([0.5] * 40, list(range(40)))
    assert interval.value == 0.5
    assert interval.method == "wilson"
    assert interval.low == pytest.approx(1 - interval.high)
    assert 0.1 < interval.high - 0.5 < 0.2


def test_a_hundred_votes_on_one_prompt_are_one_piece_of_evidence():
    assert win_rate([1] * 100, ["same"] * 100).low == pytest.approx(0.2065, abs=1e-4)


def test_win_rate_depends_on_votes_and_seed_alone():
    votes, prompts = [1, 0, 1, 1, 0.5, 1] * 5, list(range(30))
    assert win_rate(votes, prompts) == win_rate(votes, prompts)


@pytest.mark.parametrize(("votes", "prompts"), [([1, 0], ["a"]), ([2], ["a"]), ([np.nan], ["a"])])
def test_impossible_votes_are_named(votes, prompts):
    with pytest.raises(DataError, match="outcome"):
        win_rate(votes, prompts)


def test_wilson_agrees_with_scipy():
    for successes, n in [(0, 5), (3, 10), (68, 100), (200, 200)]:
        theirs = stats.binomtest(successes, n).proportion_ci(method="wilson")
        ours = wilson(successes, n)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_mean_over_seeds_by_hand():
    # Mean 2, standard deviation 1, t(.975, 2) = 4.3027: half-width 4.3027 / sqrt 3.
    interval = mean_over_seeds([1, 2, 3])
    assert interval.value == 2
    assert interval.high - 2 == pytest.approx(4.3027 / np.sqrt(3), abs=1e-4)
    assert mean_over_seeds([5.0]).low is None
    assert mean_over_seeds([]).value is None


def test_paired_difference_takes_out_what_seeds_share():
    rng = np.random.default_rng(3)
    luck = rng.normal(0, 10, 5)
    treated, control = luck + 1 + rng.normal(0, 0.1, 5), luck
    paired = paired_difference(treated, control)
    assert paired.t.excludes(0)
    assert paired.bootstrap.excludes(0)
    assert paired.p_value == pytest.approx(stats.ttest_rel(treated, control).pvalue)
    assert paired.ahead == 5


def test_paired_t_interval_covers_at_three_seeds():
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(2000):
        gap = paired_difference(rng.normal(0.3, 1, 3), np.zeros(3), draws=10)
        hits += gap.t.low <= 0.3 <= gap.t.high
    assert 0.93 <= hits / 2000 <= 0.97


def test_paired_bootstrap_interval_covers_at_twenty_seeds():
    rng = np.random.default_rng(5)
    hits = 0
    for repetition in range(1000):
        gap = paired_difference(rng.normal(0.3, 1, 20), np.zeros(20), draws=1000, seed=repetition)
        hits += gap.bootstrap.low <= 0.3 <= gap.bootstrap.high
    assert 0.93 <= hits / 1000 <= 0.97


def test_one_seed_has_a_difference_but_no_range():
    paired = paired_difference([2.0], [1.0])
    assert (paired.t.value, paired.t.low, paired.p_value) == (1.0, None, None)
    with pytest.raises(DataError, match="same seeds"):
        paired_difference([1.0], [])


def test_without_votes_nothing_is_promised():
    assert votes_needed([], []).status == "no_votes"


def test_one_vote_asks_for_some_dozens_not_for_three():
    needed = votes_needed([1], ["a"])
    assert needed.status == "open"
    assert 20 <= needed.more <= 60


def test_all_ties_are_too_close_to_call():
    assert votes_needed([0.5] * 50, range(50)).status == "too_close"


def test_a_clear_result_needs_no_more_votes():
    needed = votes_needed([1] * 45 + [0] * 5, range(50))
    assert (needed.status, needed.more) == ("decided", 0)


@pytest.mark.parametrize("rate", [0.56, 0.6, 0.65])
def test_with_the_promised_number_of_votes_about_half_of_all_reviews_are_decided(rate):
    """The number assumes that the present rate holds; chance then decides to either side."""
    wins = round(40 * rate)
    pilot = [1] * wins + [0] * (40 - wins)
    needed = votes_needed(pilot, range(40))
    total = 40 + needed.more
    rng = np.random.default_rng(6)
    decided = [
        win_rate(rng.random(total) < needed.rate, range(total), draws=400, seed=one).excludes(0.5)
        for one in range(400)
    ]
    assert 0.4 <= np.mean(decided) <= 0.62


def test_clustered_votes_need_more_of_them():
    rng = np.random.default_rng(7)
    outcome, prompt = clustered_votes(
        rng, prompts=12, votes=8, rate=0.58, concentration=0.5, ties=0
    )
    together = votes_needed(outcome, prompt)
    apart = votes_needed(outcome, range(outcome.size))
    assert together.status in ("open", "too_close")
    assert apart.status == "decided" or apart.more < together.more
