"""Runs for tests of screens: real rows in a real store, as a worker would have written them."""

import math
import os
import time

import numpy as np

from drpo.config.run_config import RunConfig
from drpo.system import processes
from drpo.types import Sample

POST = (
    "I run a small bakery in Lyon. Last March the oven broke on a Friday night, so I called my "
    "cousin Nadia, who repaired it by Sunday for 240 euros. Since then we have opened an hour "
    "later, and I am wondering whether to buy a second oven.\nTL;DR:"
)
ANSWERS = (
    " the oven broke and someone fixed it.",
    " The oven broke on a Friday; my cousin fixed it by Sunday.",
    " Bakery oven broke in March, cousin Nadia repaired it for 240 euros; buy a second one?",
)
HOSTILE = " <img src=x onerror=alert(1)> **bold** [link](http://example.org) $x^2$ :red[x]"


def add_run(
    store,
    name,
    *,
    updates=30,
    upto=None,
    status="finished",
    gold=True,
    kl_coef=0.2,
    reset_prob=0.5,
    seed=0,
    story="",
    gain=1.0,
    hack=0.0,
    per_update=2.0,
):
    """Write a run with `upto` updates of metrics, evaluations, episodes and a changed setting."""
    config = RunConfig.of(
        data="sample-tldr",
        policy="start-tldr",
        reward_model="reward-tldr",
        name=name,
        seed=seed,
        updates=updates,
        kl_coef=kl_coef,
        reset_prob=reset_prob,
        learning_rate=2e-4,
    )
    run = store.runs.create(config, story=story)
    # At once: a supervisor would take a queued run for its own.
    store.runs.change(run.id, status="finished")
    upto = updates if upto is None else upto
    now = time.time()
    rng = np.random.default_rng(seed + 17)
    for step in range(upto + 1):
        far = step / updates
        if step:
            store.metrics.append(
                run.id,
                step,
                update_metrics(
                    far,
                    rng,
                    gold=gold,
                    gain=gain,
                    hack=hack,
                    reset_prob=reset_prob,
                    kl_coef=kl_coef,
                    step=step,
                    per_update=per_update,
                ),
            )
            store.samples.append(run.id, [episode(step, item, rng) for item in range(4)])
        if step % 5 == 0 or step == updates:
            store.metrics.append(run.id, step, evaluation(far, gold=gold, gain=gain, hack=hack))
            store.samples.append(run.id, [heldout(step, item, far) for item in range(4)])
    if upto >= 12:
        store.events.add(
            run.id,
            12,
            "setting",
            "kl_coef changed from 0.2 to 0.3.",
            {"name": "kl_coef", "old": kl_coef, "new": kl_coef * 1.5, "live": True},
            "analyst",
        )
    store.runs.change(
        run.id,
        status=status,
        stage="training",
        step=upto,
        stage_done=upto,
        stage_total=updates,
        started_at=now - per_update * upto - 5,
        heartbeat_at=now,
        # The test's own process stands for the worker; a supervisor sees it alive.
        pid=os.getpid(),
        pid_started=processes.start_time(os.getpid()),
        host=processes.hostname(),
        finished_at=now if status == "finished" else None,
        device="cpu",
        summary=summary(upto, updates, gold=gold, gain=gain, hack=hack, per_update=per_update),
    )
    return store.runs.get(run.id)


def curve(far, gain, hack):
    learned = 0.4 + 3.1 * gain * (1 - math.exp(-2.5 * far)) + 2.0 * hack * far
    gold = 4.65 + 1.2 * gain * (1 - math.exp(-2.5 * far)) - 4.5 * hack * far**1.3
    kl = 1.4 * gain * far + 26 * hack * far**1.4
    return learned, gold, kl


def update_metrics(far, rng, *, gold, gain, hack, reset_prob, kl_coef, step, per_update):
    learned, true, kl = curve(far, gain, hack)
    noise = lambda scale: float(rng.normal(0, scale))  # noqa: E731
    values = {
        "objective/scores": learned + noise(0.25),
        "objective/kl": kl + noise(0.08),
        "objective/scores_reset": learned + 0.6 + noise(0.3),
        "objective/scores_prompt": learned - 0.4 + noise(0.3),
        "objective/kl_reset": kl * 0.6 + noise(0.05),
        "objective/kl_prompt": kl * 1.3,
        "objective/kl_coef": kl_coef,
        "objective/entropy": 20 - 6 * far,
        "objective/non_score_reward": -kl_coef * kl,
        "objective/rlhf_reward": learned - kl_coef * kl,
        "policy/approxkl_avg": 0.004 + abs(noise(0.002)),
        "policy/clipfrac_avg": 0.03 + 0.02 * far,
        "policy/entropy_avg": 0.6 - 0.2 * far,
        "loss/policy_avg": -0.01 + noise(0.004),
        "loss/value_avg": 1.2 * math.exp(-3 * far) + 0.1,
        "val/explained_variance": far,
        "val/ratio": 1.0 + noise(0.001),
        "val/ratio_var": 1e-4,
        "val/clipfrac_avg": 0.01,
        "val/num_eos_tokens": 60.0,
        "completions/mean_length": 31 + 4 * far + noise(0.6),
        "completions/clipped_ratio": 0.02,
        "reset/fraction": reset_prob + noise(0.04),
        "reset/prefix_len_mean": 12.0 + noise(1),
        "reset/prob": reset_prob,
        "timing_s/rollout": per_update * 0.5,
        "timing_s/learn": per_update * 0.4,
        "timing_s/update": per_update,
        "lr": 2e-4 * (1 - far),
        "eps": 64 / per_update,
        "episode": 64.0 * step,
    }
    if gold:
        values |= {"objective/gold": true + noise(0.2)}
    return values


def evaluation(far, *, gold, gain, hack):
    learned, true, kl = curve(far, gain, hack)
    values = {
        "eval/scores": learned - 0.2,
        "eval/scores_se": 0.14,
        "eval/kl": kl * 1.1,
        "eval/kl_se": 0.05 + 0.04 * kl,
        "eval/mean_length": 31 + 3 * far,
        "eval/mean_length_se": 0.5,
        "eval/finished": 0.97 + 0.02 * far,
        "eval/distinct_2": 0.6,
        "eval/repetition": 0.02,
    }
    if gold:
        values |= {"eval/gold": true, "eval/gold_se": 0.12}
    return values


def heldout(step, item, far):
    answer = ANSWERS[min(2, int(3 * far))] if item != 3 else HOSTILE
    return Sample(
        step=step,
        kind="heldout",
        item=item,
        start="prompt",
        prompt=POST,
        response=answer,
        offline=ANSWERS[2],
        response_tokens=20,
        offline_tokens=24,
        score=0.4 + 2 * far,
        gold=4 + far,
        kl=1.4 * far,
        finished=item != 2,
        offline_score=2.9,
        offline_gold=6.0,
        weights="0f3a9c21",
    )


def episode(step, item, rng):
    reset = item % 2 == 0
    return Sample(
        step=step,
        kind="episode",
        item=item,
        start="reset" if reset else "prompt",
        prompt=POST,
        prefix=" Bakery oven broke in March," if reset else "",
        response=" cousin Nadia fixed it for 240 euros." if reset else ANSWERS[1],
        offline=ANSWERS[2],
        prefix_tokens=6 if reset else 0,
        offline_tokens=24,
        response_tokens=9,
        score=float(rng.normal(1.5, 0.5)),
        gold=5.0,
        kl=float(rng.gamma(2, 0.4)),
        offline_score=2.9,
        offline_gold=6.0,
    )


def summary(upto, updates, *, gold, gain, hack, per_update):
    def point(step):
        learned, true, kl = curve(step / updates, gain, hack)
        figures = {
            "step": step,
            "scores": learned - 0.2,
            "scores_se": 0.14,
            "kl": kl * 1.1,
            "mean_length": 31.0,
        }
        return figures | ({"gold": true, "gold_se": 0.12} if gold else {})

    return {
        "first": point(0),
        "last": point(upto - upto % 5),
        "episodes": 64 * upto,
        "updates": upto,
        "wall_seconds": per_update * upto,
    }
