"""Settings that move during a run."""

import itertools
import json

import pytest

from drpo.config.run_config import RunConfig
from drpo.errors import CheckpointError, ConfigError
from drpo.rl.schedules import (
    KLCoefficient,
    ResetProbability,
    ScheduledValue,
    kl_coefficient,
    learning_rate,
    reset_probability,
)


def config(**settings):
    return RunConfig.of(data="d", policy="p", updates=11, **settings)


def test_a_constant_stays_where_it_is():
    scheduled = ScheduledValue("constant", 0.0, 0.5)
    assert [scheduled.at(step, 11) for step in (0, 5, 10)] == [0.5, 0.5, 0.5]


def test_a_line_ends_at_its_final_value_in_the_last_update():
    scheduled = ScheduledValue("linear", 0.1, 0.5)
    assert scheduled.at(0, 11) == 0.5
    assert scheduled.at(5, 11) == pytest.approx(0.3)
    assert scheduled.at(10, 11) == pytest.approx(0.1)


def test_a_cosine_is_slow_at_both_ends():
    scheduled = ScheduledValue("cosine", 0.0, 1.0)
    values = [scheduled.at(step, 11) for step in range(11)]
    assert values[0] == 1.0
    assert values[5] == pytest.approx(0.5)
    assert values[10] == pytest.approx(0.0)
    assert values[0] - values[1] < values[4] - values[5] > values[9] - values[10]


def test_a_changed_value_goes_on_from_its_new_value():
    constant, falling = ScheduledValue("constant", 0.0, 0.5), ScheduledValue("linear", 0.0, 0.5)
    for scheduled in (constant, falling):
        scheduled.change(4, 0.9)
        assert scheduled.at(4, 11) == 0.9
    assert constant.at(10, 11) == 0.9
    assert falling.at(7, 11) == pytest.approx(0.45)
    assert falling.at(10, 11) == 0.0


def test_one_single_update_has_a_schedule_too():
    assert ScheduledValue("linear", 0.0, 0.5).at(0, 1) == 0.5


def test_the_adaptive_kl_coefficient_follows_the_published_rule():
    scheduled = KLCoefficient("adaptive", 0.0, 0.1, target=6.0, horizon=10_000)
    scheduled.learn(kl=6.6, episodes=500)  # error .1 -> * (1 + .1 * .05)
    assert scheduled.at(1, 11) == pytest.approx(0.1 * 1.005)
    scheduled.learn(kl=600.0, episodes=500)  # error clipped to .2
    assert scheduled.at(2, 11) == pytest.approx(0.1 * 1.005 * 1.01)
    scheduled.learn(kl=0.0, episodes=500)  # and to -.2
    assert scheduled.at(3, 11) == pytest.approx(0.1 * 1.005 * 1.01 * 0.99)


def test_the_adaptive_coefficient_steers_a_system_to_its_target():
    scheduled = KLCoefficient("adaptive", 0.0, 0.5, target=6.0, horizon=1000)
    for _ in range(400):
        kl = 1.2 / scheduled.at(0, 1)  # more brake, less KL
        scheduled.learn(kl, episodes=64)
    assert kl == pytest.approx(6.0, rel=0.02)


@pytest.mark.parametrize("horizon", [1, 50, 99, 100])
def test_the_adaptive_coefficient_stays_a_brake_however_short_its_horizon(horizon):
    scheduled = KLCoefficient("adaptive", 0.0, 0.1, target=6.0, horizon=horizon)
    for _ in range(3):
        scheduled.learn(kl=0.0, episodes=512)
    # error clipped to -.2, an update counted as one horizon at most: * .8 each time
    assert scheduled.at(0, 1) == pytest.approx(0.1 * 0.8**3)


def test_a_fixed_coefficient_learns_nothing():
    scheduled = KLCoefficient("constant", 0.0, 0.1)
    scheduled.learn(kl=50.0, episodes=512)
    assert scheduled.at(9, 10) == 0.1


def test_resets_stay_until_a_gap_has_been_seen():
    scheduled = ResetProbability("adaptive", 0.0, 0.5)
    for _ in range(20):
        scheduled.learn(0.0, 0.0)  # no reward from either start yet
    assert scheduled.at(20, 100) == 0.5


def test_resets_fade_as_the_prompt_catches_up():
    scheduled = ResetProbability("adaptive", 0.0, 0.5)
    seen = []
    for step in range(60):
        prompt = min(1.0, max(0.0, (step - 20) / 20))
        scheduled.learn(1.0, prompt)
        seen.append(scheduled.at(step, 100))
    assert seen[:20] == [0.5] * 20
    assert all(later <= earlier for earlier, later in itertools.pairwise(seen))
    assert seen[-1] < 0.01


def test_resets_come_back_when_the_prompt_is_forgotten():
    scheduled = ResetProbability("adaptive", 0.0, 0.5)
    for prompt in [0.0] * 5 + [1.0] * 30:
        scheduled.learn(1.0, prompt)
    low = scheduled.at(0, 1)
    for _ in range(10):
        scheduled.learn(None, 0.2)  # no reset starts are left to see
    assert scheduled.at(0, 1) > low + 0.2


def test_a_prompt_that_scores_higher_than_resets_ends_them():
    scheduled = ResetProbability("adaptive", 0.0, 0.5)
    scheduled.learn(1.0, 0.5)
    for _ in range(20):
        scheduled.learn(0.5, 0.9)
    assert scheduled.at(0, 1) == 0.0


def test_annealing_keeps_some_prompt_starts_and_its_floor():
    scheduled = ResetProbability("adaptive", 0.2, 1.0)
    assert scheduled.at(0, 10) == pytest.approx(0.9)
    scheduled.learn(1.0, 0.0)
    for _ in range(40):
        scheduled.learn(1.0, 1.0)
    assert scheduled.at(0, 10) == pytest.approx(0.2, abs=1e-3)


def test_annealing_from_below_its_final_value_begins_where_it_was_asked_to_and_rises():
    scheduled = ResetProbability("adaptive", 0.5, 0.2)
    assert scheduled.at(0, 10) == pytest.approx(0.2)
    scheduled.learn(1.0, 0.0)
    assert scheduled.at(1, 10) == pytest.approx(0.2)
    scheduled.learn(1.0, 1.0)  # the prompt's running mean is .2, so the gap is .8 of the largest
    assert scheduled.at(2, 10) == pytest.approx(0.5 - 0.3 * 0.8)
    for _ in range(40):
        scheduled.learn(1.0, 1.0)
    assert scheduled.at(3, 10) == pytest.approx(0.5, abs=1e-3)


def test_annealing_towards_resets_alone_keeps_some_prompt_starts():
    scheduled = ResetProbability("adaptive", 1.0, 0.5)
    scheduled.learn(1.0, 0.0)
    scheduled.learn(0.0, 1.0)
    for _ in range(40):
        scheduled.learn(1.0, 1.0)
    assert scheduled.at(0, 10) == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize(("final", "initial", "new"), [(0.5, 0.8, 0.1), (0.0, 0.5, 0.7)])
def test_a_changed_annealed_probability_takes_the_value_at_once(final, initial, new):
    scheduled = ResetProbability("adaptive", final, initial)
    scheduled.learn(1.0, 0.0)
    scheduled.change(1, new)
    assert scheduled.at(1, 10) == pytest.approx(new)


def test_state_survives_json():
    scheduled = ResetProbability("adaptive", 0.1, 0.5)
    scheduled.learn(1.0, 0.25)
    again = ResetProbability.from_state(json.loads(json.dumps(scheduled.state())))
    assert again == scheduled


def test_a_state_of_another_version_is_refused():
    with pytest.raises(CheckpointError, match="another version"):
        KLCoefficient.from_state({"schedule": "constant"})


def test_ppo_never_resets_whatever_the_setting():
    scheduled = reset_probability(config(method="ppo", reset_prob=0.9, reset_schedule="adaptive"))
    assert scheduled.at(0, 11) == 0.0


def test_a_falling_reset_probability_ends_where_the_config_says():
    asked = config(reset_prob=0.9, reset_schedule="linear", reset_prob_final=0.3)
    scheduled = reset_probability(asked)
    assert (scheduled.at(0, 11), scheduled.at(10, 11)) == (0.9, pytest.approx(0.3))


def test_the_adaptive_brake_has_the_target_and_the_horizon_of_the_config():
    asked = config(kl_coef=0.1, kl_schedule="adaptive", kl_target=2.0, kl_horizon=500)
    scheduled = kl_coefficient(asked)
    scheduled.learn(kl=2.2, episodes=250)  # error .1 over half a horizon
    assert scheduled.at(1, 11) == pytest.approx(0.1 * 1.05)


def test_scheduled_values_are_built_from_the_config():
    asked = config(kl_coef=0.3, kl_schedule="linear", kl_coef_final=0.1, reset_prob=0.4)
    assert kl_coefficient(asked).at(10, 11) == pytest.approx(0.1)
    assert reset_probability(asked).at(3, 11) == 0.4


def test_the_step_size_falls_in_a_line():
    falling = config(learning_rate=1e-3)
    assert learning_rate(falling, 0) == 1e-3
    assert learning_rate(falling, 10) == pytest.approx(1e-3 / 11)
    assert learning_rate(config(learning_rate=1e-3, lr_schedule="constant"), 10) == 1e-3


def test_an_adaptive_brake_of_zero_is_refused():
    with pytest.raises(ConfigError, match="would stay 0"):
        RunConfig.of(data="d", policy="p", kl_schedule="adaptive", kl_coef=0)
