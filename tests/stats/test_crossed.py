"""Intervals over seeds and prompts at once, held against what they promise."""

import numpy as np
import pytest

from drpo.stats.crossed import mean_over_seeds_and_prompts
from drpo.stats.intervals import mean_over_seeds


def table(rng, seeds, prompts, *, by_seed, by_prompt, by_chance, mean=0.0):
    return (
        mean
        + by_seed * rng.standard_normal((seeds, 1))
        + by_prompt * rng.standard_normal((1, prompts))
        + by_chance * rng.standard_normal((seeds, prompts))
    )


@pytest.mark.parametrize(
    ("by_seed", "by_prompt", "by_chance"), [(0.3, 0, 1), (0, 1, 1), (0.1, 1, 1), (0, 0, 1)]
)
def test_it_holds_the_true_mean_as_often_as_it_says(by_seed, by_prompt, by_chance):
    rng = np.random.default_rng(0)
    held = alone = 0
    for _ in range(400):
        found = table(rng, 5, 60, by_seed=by_seed, by_prompt=by_prompt, by_chance=by_chance)
        interval = mean_over_seeds_and_prompts(found).interval
        held += interval.low <= 0 <= interval.high
        over_seeds = mean_over_seeds(found.mean(axis=1))
        alone += over_seeds.low <= 0 <= over_seeds.high
    assert held >= 0.93 * 400
    if by_prompt > by_seed:
        # What an interval over seeds alone leaves out.
        assert alone < 0.85 * 400


def test_by_hand():
    found = mean_over_seeds_and_prompts(np.array([[0.0, 1.0], [1.0, 2.0]]))
    # Rows .5 and 1.5, columns likewise: variances .5 / 2 each, and nothing left to chance.
    half = 12.706 * np.sqrt(0.5)
    assert found.interval.value == 1
    assert found.interval.high - 1 == pytest.approx(half, rel=1e-4)
    assert found.p_value == pytest.approx(2 * (0.5 - np.arctan(np.sqrt(2)) / np.pi), rel=1e-6)


def test_what_cannot_be_said_is_not_said():
    one = mean_over_seeds_and_prompts(np.ones((1, 5)))
    assert (one.interval.value, one.interval.low, one.p_value) == (1, None, None)
    none = mean_over_seeds_and_prompts(np.ones((0, 5)))
    assert none.interval.value is None
    equal = mean_over_seeds_and_prompts(np.full((3, 4), 0.5))
    assert (equal.interval.low, equal.interval.high, equal.p_value) == (0.5, 0.5, None)
