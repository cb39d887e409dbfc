"""Why resets work, on a problem small enough to solve by hand: a combination lock.

A lock has `length` dials of `actions` positions. Turning the right position on each dial in order
opens it and pays 1; one wrong turn and nothing more can be won. A policy that turns at random opens
it once in `actions ** length` episodes, so a learner that always starts at the first dial sees no
reward at all. The offline data hold one opened lock; starting episodes part-way through it, the
last dial is learned first, then the one before it, and so on.

This is natural policy gradient in a table, the form in which the paper proves its guarantee, with
the policy's own returns as critic. NumPy only, so that a screen may run it.

Source: arXiv:2404.08495, sections 4 and 5 (Algorithm 1 with NPG, Theorem 5.7).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Lock:
    """The problem: the right position of each dial."""

    combination: tuple[int, ...]
    actions: int

    @classmethod
    def draw(cls, length: int, actions: int, seed: int) -> Lock:
        """Draw a lock."""
        drawn = np.random.default_rng(seed).integers(actions, size=length)
        return cls(tuple(int(position) for position in drawn), actions)

    @property
    def length(self) -> int:
        """Dials."""
        return len(self.combination)

    def advance(self, policy: Float[np.ndarray, "dials actions"]) -> Float[np.ndarray, " dials"]:
        """Return the chance of the right turn at each dial."""
        right: Float[np.ndarray, " dials"] = policy[np.arange(self.length), self.combination]
        return right

    def q_values(
        self, policy: Float[np.ndarray, "dials actions"]
    ) -> Float[np.ndarray, "dials actions"]:
        """Return the exact chance of opening the lock after each turn at each dial."""
        after = np.append(np.cumprod(self.advance(policy)[::-1])[::-1][1:], 1.0)
        q = np.zeros((self.length, self.actions))
        q[np.arange(self.length), self.combination] = after
        return q


@dataclass(frozen=True)
class Trace:
    """A learning run, iteration by iteration; every list has one entry an iteration."""

    value: list[float]
    """Exact chance that the policy opens the lock from the first dial."""
    advance: list[list[float]]
    """Chance of the right turn at each dial: what a screen can animate."""
    starts: list[list[int]]
    """Episodes started at each dial."""
    critic_error: list[float]
    """Mean over iterations so far of the guarantee's critic term for that iteration."""
    episodes: int
    """Episodes in all."""

    @property
    def mean_value(self) -> float:
        """Value of a policy drawn from all iterations, which is what the guarantee speaks of."""
        return float(np.mean(self.value))


def learn_lock(
    lock: Lock,
    *,
    reset_prob: float,
    iterations: int,
    episodes: int,
    eta: float,
    kl_coef: float = 0.0,
    seed: int = 0,
) -> Trace:
    """Learn a lock by natural policy gradient from sampled episodes.

    Each iteration draws episodes with the present policy, estimates Q as the mean return seen after
    each turn (0 where nothing was seen), and takes the closed-form step

        pi_new ~ (pi_start^(eta k) * pi * exp(eta Q)) ^ (1 / (eta k + 1))

    Args:
        lock: The problem; its own combination is the offline trajectory.
        reset_prob: Chance that an episode starts at a uniform dial of the opened lock.
        iterations: Policy updates.
        episodes: Episodes drawn for each, with resets or without.
        eta: Step size.
        kl_coef: The k above: weight of KL to the start policy.
        seed: Of every draw.

    Returns:
        What happened; iteration i holds the policy before update i.
    """
    rng = np.random.default_rng(seed)
    start = np.full((lock.length, lock.actions), 1 / lock.actions)
    policy = start.copy()
    trace = Trace([], [], [], [], iterations * episodes)
    error = 0.0
    for done in range(iterations):
        depths = np.where(
            rng.random(episodes) < reset_prob, rng.integers(lock.length, size=episodes), 0
        )
        estimate = _estimate_q(lock, policy, depths, rng)
        error += _critic_term(lock, policy, estimate)
        trace.value.append(float(lock.advance(policy).prod()))
        trace.advance.append(lock.advance(policy).tolist())
        trace.starts.append(np.bincount(depths, minlength=lock.length).tolist())
        trace.critic_error.append(error / (done + 1))
        policy = npg_step(policy, start, estimate, eta=eta, kl_coef=kl_coef)
    return trace


def npg_step(
    policy: Float[np.ndarray, "dials actions"],
    start: Float[np.ndarray, "dials actions"],
    q: Float[np.ndarray, "dials actions"],
    *,
    eta: float,
    kl_coef: float,
) -> Float[np.ndarray, "dials actions"]:
    """Return the maximiser of <Q, p> - kl_coef KL(p || start) - KL(p || policy) / eta."""
    tiny = np.finfo(float).tiny
    scale = eta * kl_coef + 1
    logits = (eta * kl_coef * np.log(start) + np.log(np.maximum(policy, tiny)) + eta * q) / scale
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    stepped: Float[np.ndarray, "dials actions"] = weights / weights.sum(axis=1, keepdims=True)
    return stepped


def optimisation_term(lock: Lock, *, iterations: int, eta: float, kl_coef: float = 0.0) -> float:
    """Return how far below the opened lock's policy the mean iterate may stay for want of steps.

    With an exact critic, mirror descent at each dial has regret at most
    KL(covered || start) (1 / eta + kl_coef T) + eta T / 2 for Q in [0, 1]; the performance
    difference lemma adds the dials up. The mean gap of T iterates is therefore at most
    length * (log(actions) (1 / (eta T) + kl_coef) + eta / 2), plus the critic term of the trace.
    The reward is known here, so the theorem's third term, the reward model's error, is 0.
    """
    kl = math.log(lock.actions)
    return lock.length * (kl * (1 / (eta * iterations) + kl_coef) + eta / 2)


def _estimate_q(
    lock: Lock,
    policy: Float[np.ndarray, "dials actions"],
    depths: Int[np.ndarray, " episodes"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "dials actions"]:
    """Return the mean return seen after each turn; only what the policy did itself is counted."""
    won, tried = np.zeros_like(policy), np.zeros_like(policy)
    limits = policy.cumsum(axis=1)
    for depth in depths.tolist():
        turns = []
        for dial in range(depth, lock.length):
            turn = int(np.searchsorted(limits[dial], rng.random() * limits[dial, -1], side="right"))
            turns.append((dial, turn))
            if turn != lock.combination[dial]:
                break
        opened = turns[-1] == (lock.length - 1, lock.combination[-1])
        for place in turns:
            tried[place] += 1
            won[place] += opened
    estimate: Float[np.ndarray, "dials actions"] = won / np.maximum(tried, 1)
    return estimate


def _critic_term(
    lock: Lock,
    policy: Float[np.ndarray, "dials actions"],
    estimate: Float[np.ndarray, "dials actions"],
) -> float:
    """Return sum over dials of <Q - estimate, covered - policy>: what a wrong critic may cost."""
    covered = np.zeros_like(policy)
    covered[np.arange(lock.length), lock.combination] = 1.0
    return float(((lock.q_values(policy) - estimate) * (covered - policy)).sum())
