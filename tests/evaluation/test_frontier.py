import json

import numpy as np
import pytest

from drpo.config.run_config import RunConfig
from drpo.evaluation import wording
from drpo.evaluation.frontier import Point, frontier, overoptimization, pareto, points


def point(kl, score):
    return Point("run", 0, kl, score, None, None, None)


def test_points_are_read_from_the_evaluations_of_each_run(store):
    config = RunConfig.of(data="d", policy="p")
    run = store.runs.create(config)
    store.metrics.append(run.id, 0, {"eval/kl": 0.0, "eval/scores": 1.0, "eval/gold": 4.0})
    store.metrics.append(run.id, 5, {"eval/kl": 2.0, "eval/scores": 3.0, "loss/policy_avg": 1.0})
    store.metrics.append(run.id, 6, {"objective/kl": 2.0})
    found = points(store, [run.id])
    assert [(p.step, p.kl, p.score, p.gold) for p in found] == [(0, 0, 1, 4), (5, 2, 3, None)]


def test_the_frontier_keeps_only_points_that_nothing_beats():
    kept = pareto([point(2, 3), point(1, 1), point(1, 2), point(3, 2.5), point(4, 5)])
    assert [(p.kl, p.score) for p in kept] == [(1, 2), (2, 3), (4, 5)]
    assert pareto([]) == []


def test_the_curve_of_known_alpha_and_beta_is_recovered_from_noisy_points():
    rng = np.random.default_rng(0)
    kl = np.linspace(0.2, 40, 30)
    d = np.sqrt(kl)
    gold = 4.65 + d * (1.5 - 0.9 * np.log(d)) + rng.normal(0, 0.05, 30)
    fit = overoptimization(kl, gold, start=4.65)
    assert (fit.alpha, fit.beta) == pytest.approx((1.5, 0.9), abs=0.05)
    # d* = exp(1.5 / .9 - 1) = 1.948, KL 3.79, gain .9 d*.
    assert fit.peak_kl == pytest.approx(3.79, rel=0.1)
    assert fit.peak_gold == pytest.approx(4.65 + 0.9 * 1.948, rel=0.02)
    assert fit.peak_seen
    assert fit.r_squared > 0.95
    assert fit.at(3.79) == pytest.approx(fit.peak_gold, abs=0.01)
    assert fit.at(0) == 4.65


def test_a_gain_that_only_rises_has_no_seen_peak():
    kl = np.linspace(0.5, 10, 12)
    fit = overoptimization(kl, 2 * np.sqrt(kl), start=0.0)
    assert fit.peak_kl is None or not fit.peak_seen
    rising = overoptimization(kl, kl, start=0.0)
    assert rising.beta < 0
    assert rising.peak_kl is None


def test_too_few_points_fit_nothing():
    assert overoptimization([0, 1, 2, 3], [1, 2, 3, 4], start=1) is None
    assert overoptimization([], [], start=0) is None


def test_a_run_that_went_too_far_says_where_its_gold_score_turned(store):
    run = store.runs.create(RunConfig.of(data="d", policy="p"))
    for step, kl in enumerate(np.linspace(0, 27, 9)):
        d = np.sqrt(kl)
        gold = 4.65 + (d * (1.5 - 0.9 * np.log(d)) if d else 0.0)
        values = {"eval/kl": float(kl), "eval/scores": float(d), "eval/gold": float(gold)}
        store.metrics.append(run.id, 5 * step, values)
    found = frontier(store, run.id)
    said = wording.turning_point("it", found.curve)
    assert said.startswith("it: the true score was highest near KL 3.79 nats and has fallen since")
    assert found.curve.peak_gold == pytest.approx(6.40, abs=0.01)
    assert len(found.best) == 9
    bare = store.runs.create(RunConfig.of(data="d", policy="p"))
    assert frontier(store, bare.id).curve is None
    assert "too few" in wording.turning_point("it", None)
    json.dumps(found.to_dict(), allow_nan=False)
