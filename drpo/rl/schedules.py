"""The settings that move while a run goes on: reset probability, KL coefficient, step size.

A `ScheduledValue` follows its schedule from an anchor. A person who changes it in mid-run moves the
anchor: a constant stays at the new value, a falling schedule falls from there, an adaptive one goes
on from there. All of it is in `state()`, so a resumed run goes on with the changed values.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from drpo.config.learning_settings import Schedule
from drpo.config.run_config import RunConfig
from drpo.errors import CheckpointError

_MEMORY = 0.8
"""Share of the past kept by the running means: about five updates."""
_LAST_PROMPT_STARTS = 0.9
"""Adaptive annealing compares the two kinds of start, so it keeps one in ten at the prompt."""


@dataclass
class ScheduledValue:
    """One setting with its schedule; `at(step, total)` is its value for an update."""

    schedule: Schedule
    final: float
    anchor_value: float
    anchor_step: int = 0

    def at(self, step: int, total: int) -> float:
        """Return the value for update `step` of `total`; the last update has the final value."""
        if self.schedule in ("constant", "adaptive"):
            return self.anchor_value
        span = max(total - 1 - self.anchor_step, 1)
        way = min(max((step - self.anchor_step) / span, 0.0), 1.0)
        if self.schedule == "cosine":
            way = (1 - math.cos(math.pi * way)) / 2
        return self.anchor_value + (self.final - self.anchor_value) * way

    def change(self, step: int, value: float) -> None:
        """Take a person's new value, from update `step` on."""
        self.anchor_step, self.anchor_value = step, value

    def state(self) -> dict[str, Any]:
        """Return all that a resume needs, as JSON values."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Rebuild what `state` described."""
        known = {field.name for field in fields(cls)}
        if set(state) != known:
            raise CheckpointError(
                f"The checkpoint's {cls.__name__} has the fields {sorted(state)}, expected "
                f"{sorted(known)}; it was written by another version, start the run anew."
            )
        return cls(**state)


@dataclass
class KLCoefficient(ScheduledValue):
    """The KL brake. Adaptive: a log-space proportional controller towards `target`.

    Source: Ziegler et al. 2019, arXiv:1909.08593, section 2.2, with the horizon form of their code:
    coefficient *= 1 + clip(kl / target - 1, -0.2, 0.2) * episodes / horizon. Here an update counts
    as one horizon at most: theirs turns the brake's sign once episodes > 5 * horizon, and a
    negative coefficient pays the policy for leaving the start policy.
    """

    target: float = 6.0
    horizon: int = 10_000

    def learn(self, kl: float, episodes: int) -> None:
        """Move an adaptive coefficient after an update that measured `kl` nats per answer."""
        if self.schedule != "adaptive":
            return
        error = min(max(kl / self.target - 1, -0.2), 0.2)
        self.anchor_value *= 1 + error * min(episodes, self.horizon) / self.horizon


@dataclass
class ResetProbability(ScheduledValue):
    """How often episodes start part-way through an answer.

    Adaptive annealing. A reset start is easier than the bare prompt, so it scores higher; that gap
    is what resets have still to teach. With running means of the scores of both kinds of start,

        gap = mean score of reset starts - mean score of prompt starts
        probability = final + (anchor - final) * clip(gap / largest gap so far, 0, 1)

    As reward from the bare prompt catches up, the gap closes and resets fade out; if the policy
    later forgets, the gap opens and they come back. An anchor below the final value rises to it in
    the same way. Until a gap has been seen (no reward at all yet) the probability stays where it
    is. One episode in ten always starts at the prompt, for without those there is no gap to see.
    """

    reset_mean: float | None = None
    prompt_mean: float | None = None
    largest_gap: float = 0.0

    def at(self, step: int, total: int) -> float:
        """Return the probability for update `step` of `total`."""
        if self.schedule != "adaptive":
            return super().at(step, total)
        final, start = (min(x, _LAST_PROMPT_STARTS) for x in (self.final, self.anchor_value))
        return final + (start - final) * self._share_left()

    def learn(self, reset_score: float | None, prompt_score: float | None) -> None:
        """Take the mean scores of an update's reset and prompt starts; None where there is none."""
        self.reset_mean = _running(self.reset_mean, reset_score)
        self.prompt_mean = _running(self.prompt_mean, prompt_score)
        self.largest_gap = max(self.largest_gap, self._gap() or 0.0)

    def change(self, step: int, value: float) -> None:
        """Take a person's new value; an adaptive one counts as the gap it now has."""
        super().change(step, value)
        self.largest_gap = max(self._gap() or 0.0, 0.0)

    def _gap(self) -> float | None:
        if self.reset_mean is None or self.prompt_mean is None:
            return None
        return self.reset_mean - self.prompt_mean

    def _share_left(self) -> float:
        gap = self._gap()
        if gap is None or self.largest_gap <= 0:
            return 1.0
        return min(max(gap / self.largest_gap, 0.0), 1.0)


def _running(mean: float | None, value: float | None) -> float | None:
    if value is None:
        return mean
    return value if mean is None else _MEMORY * mean + (1 - _MEMORY) * value


def kl_coefficient(config: RunConfig) -> KLCoefficient:
    """Build the KL brake that a config asks for."""
    kl = config.kl
    return KLCoefficient(
        kl.kl_schedule, kl.kl_coef_final, kl.kl_coef, target=kl.kl_target, horizon=kl.kl_horizon
    )


def reset_probability(config: RunConfig) -> ResetProbability:
    """Build the reset probability that a config asks for."""
    reset = config.reset
    return ResetProbability(reset.reset_schedule, reset.reset_prob_final, reset.reset_prob)


def reset_share(config: RunConfig, step: int) -> float:
    """Return the share of an answer that fixed and binomial resets give in update `step`."""
    reset = config.reset
    value = ScheduledValue(reset.reset_share_schedule, reset.reset_share_final, reset.reset_share)
    return value.at(step, config.ppo.updates)


def learning_rate(config: RunConfig, step: int, base: float | None = None) -> float:
    """Return the step size of update `step`; linear decay reaches zero after the last one.

    Args:
        config: The run.
        step: The update.
        base: What it falls from; the setting, unless it was changed since.
    """
    share = 1 - step / config.ppo.updates if config.ppo.lr_schedule == "linear" else 1.0
    return (config.ppo.learning_rate if base is None else base) * share
