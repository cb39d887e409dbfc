"""The rules, one function an alarm: what is remembered of a run in, a finding or nothing out.

Every limit that a person may want to move is in `AlarmSettings`. The constants here say how long a
thing must last before it counts; `docs/alarms.md` holds the rates of false and missed alarms that
were measured with them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from drpo import metrics
from drpo.alarms.alarms import Choice
from drpo.alarms.history import (
    ANSWERS_IDENTICAL,
    ANSWERS_LENGTH,
    ANSWERS_PROMPTS,
    ANSWERS_REPETITION,
    History,
)
from drpo.config.settings import AlarmSettings

IN_A_ROW = 3
"""Updates that a per-update figure must stay over its limit."""
CRITIC_IN_A_ROW = 10
CRITIC_WARM_UP = 20
"""A fresh critic explains nothing; only later does that mean something."""
TREND = 8
"""Updates over which KL's slope is taken."""
HORIZON = 10
"""Updates ahead for which that slope is believed."""
ERRORS = 2.0
"""Standard errors by which learned and true reward must both have moved."""
MIN_PROMPTS = 16
"""Prompts below which two alike may be chance."""
RISE = 0.2
"""Points by which the share of identical answers must have grown since the start."""
MAX_KL_COEF = 100.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's evidence: the numbers, and a setting worth changing."""

    values: dict[str, float]
    remedy: Choice | None = None
    worst: str = ""
    """Which answers show it best, where that hangs on the numbers; else the rule says."""


Check = Callable[[History, AlarmSettings], Finding | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A check, and the metrics whose arrival makes it worth asking again."""

    name: str
    inputs: tuple[str, ...]
    check: Check
    worst: str = ""
    """Which answers show it best; see `drpo.alarms.examples`."""


def kl_budget(history: History, limits: AlarmSettings) -> Finding | None:
    """KL to the start policy lies above the budget."""
    kl = _kl_now(history)
    if kl is None or kl <= limits.alarm_kl_budget:
        return None
    return Finding({"kl": kl, "budget": limits.alarm_kl_budget}, _stronger_brake(history, 2))


def kl_runaway(history: History, limits: AlarmSettings) -> Finding | None:
    """KL is not over the budget yet but will be soon if it goes on like this."""
    name = _kl_series(history)
    values = history.recent(name, TREND)
    kl = _kl_now(history)
    budget = limits.alarm_kl_budget
    # Below a quarter of the budget a steep start is what learning looks like.
    if not values or kl is None or not budget / 4 < kl <= budget:
        return None
    slope = statistics.linear_regression(range(TREND), values).slope
    if kl + HORIZON * slope <= budget:
        return None
    found = {"kl": kl, "budget": budget, "slope": slope, "updates": TREND, "horizon": HORIZON}
    return Finding(found, _stronger_brake(history, 2))


def reward_hacking(history: History, _limits: AlarmSettings) -> Finding | None:
    """The learned reward rose since the best evaluation by true reward, which has fallen since."""
    gold = dict(history.all(metrics.EVAL_GOLD))
    scores = dict(history.all(metrics.EVAL_SCORES))
    gold_se = dict(history.all(metrics.error_of(metrics.EVAL_GOLD)))
    score_se = dict(history.all(metrics.error_of(metrics.EVAL_SCORES)))
    steps = [s for s in gold if s in scores and s in gold_se and s in score_se]
    if len(steps) < 2 or steps[-1] != history.last_step(metrics.EVAL_GOLD):
        return None
    now = steps[-1]
    best = max(steps[:-1], key=lambda step: gold[step])
    loss, gain = gold[best] - gold[now], scores[now] - scores[best]
    loss_limit = ERRORS * (gold_se[best] ** 2 + gold_se[now] ** 2) ** 0.5
    gain_limit = ERRORS * (score_se[best] ** 2 + score_se[now] ** 2) ** 0.5
    if loss <= loss_limit or gain <= gain_limit:
        return None
    found = {"since": float(best), "gold_loss": loss, "score_gain": gain, "errors": ERRORS}
    return Finding(found, _stronger_brake(history, 4))


def length_drift(history: History, limits: AlarmSettings) -> Finding | None:
    """Answers are much longer or shorter than at the start."""
    name = _freshest(history, metrics.EVAL_MEAN_LENGTH, ANSWERS_LENGTH)
    now = history.settled(name)
    if now is None:
        return None
    start = history.start(name)
    ratio = now / start if start > 0 else 1.0
    if 1 / limits.alarm_length_ratio <= ratio <= limits.alarm_length_ratio:
        return None
    found = {"length": now, "start": start, "ratio": ratio}
    return Finding(found, _stronger_brake(history, 2), "long" if ratio > 1 else "short")


def repetition(history: History, limits: AlarmSettings) -> Finding | None:
    """Answers repeat their own word sequences far more than at the start."""
    name = _freshest(history, metrics.EVAL_REPETITION, ANSWERS_REPETITION)
    now = history.settled(name)
    if now is None or now - history.start(name) <= limits.alarm_repetition:
        return None
    found = {"now_share": now, "start_share": history.start(name)}
    return Finding(found, _stronger_brake(history, 2))


def entropy_collapse(history: History, limits: AlarmSettings) -> Finding | None:
    """The policy's entropy is a small part of what it was."""
    name = _first_known(history, metrics.POLICY_ENTROPY_AVG, metrics.OBJECTIVE_ENTROPY)
    now = history.settled(name) if history.has(name) else None
    if now is None:
        return None
    start = history.start(name)
    if start <= 0 or now >= limits.alarm_entropy_floor * start:
        return None
    found = {"now": now, "start": start, "ratio_share": now / start}
    return Finding(found, _stronger_brake(history, 2))


def identical_answers(history: History, limits: AlarmSettings) -> Finding | None:
    """Different prompts get the very same text."""
    name = _freshest(history, metrics.EVAL_IDENTICAL, ANSWERS_IDENTICAL)
    now = history.settled(name)
    prompts = metrics.EVAL_PROMPTS if name == metrics.EVAL_IDENTICAL else ANSWERS_PROMPTS
    if now is None or history.last(prompts) < MIN_PROMPTS:
        return None
    # Where few answers are right, yes or no, many prompts share one from the start.
    if now < max(limits.alarm_identical, history.start(name) + RISE):
        return None
    found = {"now_share": now, "prompts": history.last(prompts)}
    return Finding(found, _stronger_brake(history, 2))


def unfinished(history: History, limits: AlarmSettings) -> Finding | None:
    """Most answers run into the length limit."""
    name = _freshest(history, metrics.EVAL_FINISHED, metrics.COMPLETIONS_CLIPPED_RATIO)
    now = history.settled(name)
    if now is None:
        return None
    share = 1 - now if name == metrics.EVAL_FINISHED else now
    if share <= limits.alarm_unfinished:
        return None
    return Finding({"now_share": share}, _stronger_brake(history, 2))


def clip_fraction(history: History, limits: AlarmSettings) -> Finding | None:
    """Several updates in a row move most tokens out of PPO's trust region."""
    values = history.recent(metrics.POLICY_CLIPFRAC_AVG, IN_A_ROW)
    if not values or min(values) <= limits.alarm_clipfrac:
        return None
    return Finding({"now_share": values[-1], "updates": IN_A_ROW})


def value_error(history: History, limits: AlarmSettings) -> Finding | None:
    """The critic explains next to nothing, long after it was fresh."""
    name = metrics.VAL_EXPLAINED_VARIANCE
    values = history.recent(name, CRITIC_IN_A_ROW)
    if not values or history.last_step(name) < CRITIC_WARM_UP:
        return None
    if max(values) >= limits.alarm_value_error:
        return None
    limit = limits.alarm_value_error
    return Finding({"now": values[-1], "limit": limit, "updates": CRITIC_IN_A_ROW})


def weak_reward_model(history: History, limits: AlarmSettings) -> Finding | None:
    """The reward model hardly tells the better answer from the worse."""
    accuracy = history.settled(metrics.EVAL_RM_ACCURACY)
    if accuracy is None or accuracy >= limits.alarm_rm_accuracy:
        return None
    return Finding({"accuracy_share": accuracy, "limit_share": limits.alarm_rm_accuracy})


def few_reset_answers(history: History, limits: AlarmSettings) -> Finding | None:
    """Resets happen, and start in few different answers."""
    limit = limits.alarm_min_reset_answers
    if not history.reset_episodes:
        return None
    # Drawing 4n times from n answers leaves about 2 % of them unseen: fewer seen, fewer there.
    seen_enough = history.reset_episodes >= 4 * limit
    answers = float(len(history.reset_answers)) if seen_enough else float(limit)
    if history.has(metrics.RESET_CANDIDATES):
        answers = min(answers, history.last(metrics.RESET_CANDIDATES))
    if answers >= limit:
        return None
    remedy = None
    if history.has(metrics.RESET_PROB):
        remedy = Choice("setting", "reset_prob", round(history.last(metrics.RESET_PROB) / 2, 3))
    return Finding({"answers": answers, "limit": float(limit)}, remedy)


RULES: tuple[Rule, ...] = (
    Rule("kl_budget", (metrics.OBJECTIVE_KL, metrics.EVAL_KL), kl_budget, "kl"),
    Rule("kl_runaway", (metrics.OBJECTIVE_KL,), kl_runaway, "kl"),
    Rule("reward_hacking", (metrics.EVAL_GOLD,), reward_hacking, "hacked"),
    Rule("length_drift", (metrics.EVAL_MEAN_LENGTH, ANSWERS_LENGTH), length_drift),
    Rule("repetition", (metrics.EVAL_REPETITION, ANSWERS_REPETITION), repetition, "repeated"),
    Rule(
        "entropy_collapse",
        (metrics.POLICY_ENTROPY_AVG, metrics.OBJECTIVE_ENTROPY),
        entropy_collapse,
        "alike",
    ),
    Rule(
        "identical_answers", (metrics.EVAL_IDENTICAL, ANSWERS_IDENTICAL), identical_answers, "same"
    ),
    Rule(
        "unfinished",
        (metrics.EVAL_FINISHED, metrics.COMPLETIONS_CLIPPED_RATIO),
        unfinished,
        "unfinished",
    ),
    Rule("clip_fraction", (metrics.POLICY_CLIPFRAC_AVG,), clip_fraction, "kl"),
    Rule("value_error", (metrics.VAL_EXPLAINED_VARIANCE,), value_error, "unusual"),
    Rule("weak_reward_model", (metrics.EVAL_RM_ACCURACY,), weak_reward_model),
    Rule("few_reset_answers", (metrics.RESET_FRACTION,), few_reset_answers, "reset"),
)


def _kl_series(history: History) -> str:
    """Prompt starts only while there are any: a reset leaves fewer tokens to depart in."""
    return _freshest(history, metrics.part_of(metrics.OBJECTIVE_KL, "prompt"), metrics.OBJECTIVE_KL)


def _kl_now(history: History) -> float | None:
    name = _freshest(history, metrics.EVAL_KL, _kl_series(history))
    return history.settled(name)


def _first_known(history: History, *names: str) -> str:
    return next((name for name in names if history.has(name)), names[-1])


def _freshest(history: History, *names: str) -> str:
    """Of several sources for one figure the one that was told last; the first wins a tie."""
    return max(names, key=history.last_step)


def _stronger_brake(history: History, factor: float) -> Choice | None:
    """Suggest a multiple of the present KL coefficient."""
    if not history.has(metrics.OBJECTIVE_KL_COEF):
        return None
    now: float = history.last(metrics.OBJECTIVE_KL_COEF)
    value = min(MAX_KL_COEF, factor * now) if now > 0 else 0.05
    return Choice("setting", "kl_coef", float(f"{value:.3g}"))
