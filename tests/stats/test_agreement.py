"""Agreement against published and hand-worked examples."""

import numpy as np
import pytest

from drpo.stats.agreement import krippendorff, self_consistency, side_bias

# Krippendorff 2011, section C: four observers, twelve units, missing values; alpha .743.
PUBLISHED = {
    "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
}


def test_alpha_equals_the_published_example():
    choices = [
        (unit, choice)
        for observer in PUBLISHED.values()
        for unit, choice in enumerate(observer)
        if choice is not None
    ]
    agreement = krippendorff(choices)
    assert agreement.alpha.value == pytest.approx(0.743, abs=5e-4)
    # Unit 12 was judged once and says nothing about agreement.
    assert agreement.items == 11


def test_alpha_equals_the_published_binary_example():
    # Krippendorff 2011, section A: alpha .095.
    first = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    second = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    choices = [*enumerate(first), *enumerate(second)]
    assert krippendorff(choices).alpha.value == pytest.approx(0.095, abs=5e-4)


def test_alpha_by_hand():
    # Items: AA, AB. Coincidences: o_AA = 2, o_AB = o_BA = 1; n_A = 3, n_B = 1, n = 4.
    # alpha = 1 - 3 (4 - 2) / (16 - 10) = 0.
    choices = [(1, "A"), (1, "A"), (2, "A"), (2, "B")]
    assert krippendorff(choices).alpha.value == pytest.approx(0.0)


def test_alpha_is_one_when_all_agree_and_unknown_when_nobody_ever_varies():
    agreeing = [(item, item % 3) for item in range(9) for _ in range(3)]
    assert krippendorff(agreeing).alpha.value == pytest.approx(1.0)
    constant = krippendorff([(item, "left") for item in range(9) for _ in range(2)])
    assert (constant.status, constant.alpha.value) == ("no_variation", None)


def test_no_reviewer_or_one_leaves_agreement_unknown():
    assert krippendorff([]).status == "no_overlap"
    assert krippendorff([(item, "A") for item in range(5)]).status == "no_overlap"


def test_alpha_of_random_choices_is_about_zero_and_its_interval_covers_it():
    rng = np.random.default_rng(0)
    hits, values = 0, []
    for repetition in range(200):
        choices = [(item, int(rng.integers(3))) for item in range(60) for _ in range(3)]
        alpha = krippendorff(choices, draws=300, seed=repetition).alpha
        values.append(alpha.value)
        hits += alpha.low <= 0 <= alpha.high
    assert abs(np.mean(values)) < 0.01
    assert 0.9 <= hits / 200 <= 0.99


def test_alpha_recovers_a_known_reliability():
    # Each choice is the item's true one with probability q, else drawn evenly: alpha = q^2.
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 3000)
    choices = [
        (item, int(truth[item]) if rng.random() < 0.8 else int(rng.integers(3)))
        for item in range(3000)
        for _ in range(2)
    ]
    assert krippendorff(choices, draws=10).alpha.value == pytest.approx(0.64, abs=0.03)


def test_self_consistency_counts_equal_choices_and_corrects_for_chance():
    steady = self_consistency([("A", "A"), ("B", "B"), ("A", "A"), ("tie", "tie")])
    assert (steady.same.value, steady.alpha) == (1.0, 1.0)
    nothing = self_consistency([])
    assert (nothing.same.value, nothing.alpha, nothing.repeats) == (None, None, 0)
    rng = np.random.default_rng(2)
    guessing = self_consistency([tuple(rng.integers(0, 2, 2)) for _ in range(2000)])
    assert guessing.same.value == pytest.approx(0.5, abs=0.05)
    assert guessing.alpha == pytest.approx(0.0, abs=0.05)


def test_a_reviewer_who_always_says_left_is_found_and_a_fair_one_is_not():
    assert side_bias([]).status == "no_votes"
    assert side_bias(["left"]).status == "none_seen"
    assert side_bias(["left"] * 20).status == "biased"
    rng = np.random.default_rng(3)
    flagged = [
        side_bias(["left" if left else "right" for left in rng.random(40) < 0.5]).status == "biased"
        for _ in range(1000)
    ]
    assert np.mean(flagged) < 0.03
