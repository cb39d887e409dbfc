"""Every limit is a person's to move: what it lets pass and what it catches moves with it."""

import pytest

from drpo.alarms import Monitor
from drpo.config.run_config import RunConfig
from drpo.types import Sample

RESETS = [
    Sample(
        step=1,
        kind="episode",
        item=i % 5,
        start="reset",
        prompt=f"p{i % 5}",
        response="r",
        offline="o",
    )
    for i in range(40)
]
CASES = {
    # limit: (what is seen, a value that lets it pass, a value that catches it, the alarm)
    "alarm_kl_budget": ([{"eval/kl": 10.0}], 12.0, 8.0, "kl_budget"),
    "alarm_length_ratio": (
        [{"eval/mean_length": 20.0}, {"eval/mean_length": 36.0}],
        2.0,
        1.7,
        "length_drift",
    ),
    "alarm_repetition": (
        [{"eval/repetition": 0.1}, {"eval/repetition": 0.5}],
        0.5,
        0.3,
        "repetition",
    ),
    "alarm_entropy_floor": (
        [{"policy/entropy_avg": 2.0}] * 3 + [{"policy/entropy_avg": 0.5}] * 3,
        0.2,
        0.3,
        "entropy_collapse",
    ),
    "alarm_identical": (
        [{"eval/identical": share, "eval/prompts": 32.0} for share in (0.1, 0.6)],
        0.7,
        0.5,
        "identical_answers",
    ),
    "alarm_unfinished": ([{"eval/finished": 0.4}], 0.7, 0.5, "unfinished"),
    "alarm_clipfrac": ([{"policy/clipfrac_avg": 0.3}] * 3, 0.4, 0.2, "clip_fraction"),
    "alarm_value_error": ([{"val/explained_variance": -1.0}] * 22, -2.0, -0.5, "value_error"),
    "alarm_rm_accuracy": ([{"eval/rm_accuracy": 0.65}], 0.6, 0.7, "weak_reward_model"),
    "alarm_min_reset_answers": ([{"reset/fraction": 1.0}], 5, 6, "few_reset_answers"),
}


def raised(limit, value):
    seen = CASES[limit][0]
    monitor = Monitor(RunConfig.of(data="d", policy="p", **{limit: value}).alarms)
    return {
        alarm.name
        for step, metrics in enumerate(seen, start=1)
        for alarm in monitor.update(step, metrics, RESETS if limit.endswith("answers") else ())
    }


@pytest.mark.parametrize("limit", CASES)
def test_a_limit_decides_whether_its_alarm_is_raised(limit):
    _, passes, catches, name = CASES[limit]
    assert name not in raised(limit, passes)
    assert name in raised(limit, catches)


def test_every_limit_that_is_a_number_has_a_case():
    limits = RunConfig.of(data="d", policy="p").alarms.model_dump()
    assert CASES.keys() == {
        name for name, value in limits.items() if isinstance(value, float | int)
    }
