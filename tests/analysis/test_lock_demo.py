"""The guarantee, checked where everything can be computed."""

import itertools

import numpy as np
import pytest

from drpo.analysis.lock_demo import Lock, learn_lock, npg_step, optimisation_term

DEEP = Lock.draw(length=10, actions=4, seed=0)
"""A random policy opens it once in a million episodes."""


def learn(lock, reset_prob, seed=0, **changes):
    settings = {"iterations": 120, "episodes": 32, "eta": 1.0} | changes
    return learn_lock(lock, reset_prob=reset_prob, seed=seed, **settings)


def test_q_values_are_those_of_all_episodes_enumerated():
    lock = Lock((1, 0, 2), 3)
    policy = np.random.default_rng(0).dirichlet(np.ones(3), size=3)
    expected = np.zeros((3, 3))
    for dial, turn in itertools.product(range(3), range(3)):
        if turn == lock.combination[dial]:
            for rest in itertools.product(range(3), repeat=2 - dial):
                chance = np.prod([policy[dial + 1 + i, t] for i, t in enumerate(rest)])
                expected[dial, turn] += chance * (rest == lock.combination[dial + 1 :])
    np.testing.assert_allclose(lock.q_values(policy), expected)


def test_the_step_is_the_papers_closed_form():
    rng = np.random.default_rng(1)
    policy, start = rng.dirichlet(np.ones(3), size=2), rng.dirichlet(np.ones(3), size=2)
    q, eta, k = rng.random((2, 3)), 0.7, 0.3
    expected = start ** (eta * k / (eta * k + 1)) * policy ** (1 / (eta * k + 1))
    expected *= np.exp(eta / (eta * k + 1) * q)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(npg_step(policy, start, q, eta=eta, kl_coef=k), expected)


def test_the_step_maximises_what_it_says():
    rng = np.random.default_rng(2)
    policy, start = rng.dirichlet(np.ones(4), size=1), rng.dirichlet(np.ones(4), size=1)
    q, eta, k = rng.random((1, 4)), 0.5, 0.2

    def gain(p):
        pull = (p * np.log(p / start)).sum() * k + (p * np.log(p / policy)).sum() / eta
        return (q * p).sum() - pull

    best = gain(npg_step(policy, start, q, eta=eta, kl_coef=k))
    assert all(gain(rng.dirichlet(np.ones(4), size=1)) <= best for _ in range(2000))


@pytest.mark.parametrize("seed", range(5))
def test_resets_open_a_lock_that_no_other_learner_opens(seed):
    with_resets, without = learn(DEEP, 0.5, seed), learn(DEEP, 0.0, seed)
    assert with_resets.episodes == without.episodes
    assert with_resets.value[-1] > 0.9
    assert without.value[-1] < 1e-4


def test_the_last_dial_is_learned_first():
    trace = learn(DEEP, 1.0)
    learned_at = [
        next(i for i, row in enumerate(trace.advance) if row[dial] > 0.9) for dial in (9, 6, 3, 0)
    ]
    assert learned_at == sorted(learned_at)


@pytest.mark.parametrize("kl_coef", [0.0, 0.02])
def test_the_gap_to_the_covered_policy_is_within_the_guarantee(kl_coef):
    lock = Lock.draw(length=3, actions=2, seed=1)
    iterations, eta = 300, (2 * np.log(2) / 300) ** 0.5
    allowed = optimisation_term(lock, iterations=iterations, eta=eta, kl_coef=kl_coef)
    assert allowed < 0.5  # or the statement would be empty
    for reset_prob in (0.5, 1.0):
        trace = learn(
            lock, reset_prob, iterations=iterations, eta=eta, kl_coef=kl_coef, episodes=16
        )
        assert 1.0 - trace.mean_value <= allowed + trace.critic_error[-1]
        assert trace.critic_error[-1] < 0.3


def test_without_resets_the_critic_term_never_closes():
    """At equal episodes the deep dials are never seen: that is the term that stays open."""
    resets, none = learn(DEEP, 0.5), learn(DEEP, 0.0)
    assert none.critic_error[-1] > 0.9
    assert np.mean(none.value[60:]) < 0.01
    late = 2 * resets.critic_error[-1] - resets.critic_error[59]  # mean of the second half
    assert late < 0.3
    assert np.mean(resets.value[60:]) > 0.5


def test_a_shallow_lock_needs_no_resets():
    assert learn(Lock.draw(2, 2, 0), 0.0).value[-1] > 0.9


def test_episodes_start_where_the_probability_says():
    starts = np.array(learn(DEEP, 0.0, iterations=5).starts)
    assert starts[:, 0].tolist() == [32] * 5
    spread = np.array(learn(DEEP, 1.0, iterations=50).starts).sum(axis=0)
    assert spread.sum() == 1600
    assert spread.min() > 100


def test_the_same_seed_gives_the_same_run():
    assert learn(DEEP, 0.5, 3, iterations=20) == learn(DEEP, 0.5, 3, iterations=20)
    assert learn(DEEP, 0.5, 3, iterations=20) != learn(DEEP, 0.5, 4, iterations=20)
