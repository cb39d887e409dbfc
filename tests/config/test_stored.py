"""Settings stored by an earlier version open in the present form, and PPO is without resets."""

import pytest
from sqlalchemy import update

from drpo.config.run_config import RunConfig, as_trained
from drpo.config.stored import critic_weight, current_form, k3_was_reward
from drpo.errors import ConfigError
from drpo.store.schema import Run


def config(**settings):
    return RunConfig.of(data="d", policy="p", **settings)


@pytest.mark.parametrize(
    "made",
    [
        config(method="ppo", reset_prob=0.5, reset_schedule="adaptive"),
        config(reset_prob=0.5, reset_schedule="cosine").replace(method="ppo"),
        config(method="ppo").replace(reset_prob=1.0),
    ],
    ids=["given", "turned into PPO", "replaced"],
)
def test_a_ppo_config_carries_no_resets_however_it_is_made(made):
    assert (made.reset.reset_prob, made.reset.reset_schedule) == (0.0, "constant")
    assert not made.resets_possible


@pytest.mark.parametrize("method", ["drpo", "dpo"])
def test_the_settings_of_other_methods_stay_as_given(method):
    made = config(method=method, reset_prob=0.7, reset_schedule="linear")
    assert (made.reset.reset_prob, made.reset.reset_schedule) == (0.7, "linear")


def test_a_ppo_run_stored_with_resets_opens_without_them(store):
    run = store.runs.create(config())
    written = config(reset_prob=0.5, reset_schedule="linear").model_dump(mode="json")
    written["run"]["method"] = "ppo"
    with store.engine.begin() as connection:
        connection.execute(update(Run.__table__).where(Run.id == run.id).values(config=written))
    stored = store.runs.get(run.id).config
    assert stored["reset"]["reset_prob"] == 0.0
    assert stored == RunConfig.from_nested(written).model_dump(mode="json")


@pytest.mark.parametrize("nested", [{}, {"run": None, "reset": []}, {"run": {"method": "ppo"}}])
def test_whatever_was_stored_is_given_a_form_and_what_it_means_is_checked_later(nested):
    assert current_form(nested) == nested


def test_a_group_that_no_version_had_is_refused():
    with pytest.raises(ConfigError, match="Unknown group of settings: colours"):
        RunConfig.from_nested({**config().model_dump(), "colours": {}})


OLD = {
    "data": {"data": "pairs.jsonl"},
    "models": {"policy": "model"},
    "sampling": {"missing_eos_penalty": -1.0},
    "kl": {"kl_estimator": "k3", "kl_coef": 0.3},
    "ppo": {
        "vf_coef": 0.1,
        "learning_rate": 2e-4,
        "lam": 0.9,
        "cliprange_value": 0.3,
        "critic_init": "reward_model",
    },
}


def test_a_run_of_before_goes_on_with_the_critic_and_the_penalty_it_had():
    config = RunConfig.from_nested(OLD)
    critic = config.critic
    assert (critic.critic_learning_rate, critic.critic_lam) == (2e-4, 0.9)
    assert (critic.cliprange_value, critic.critic_init) == (0.3, "reward_model")
    assert (critic.critic_scaling, critic.critic_warmup_steps) == (False, 0)
    assert critic.critic_mini_batches is None
    assert (config.sampling.missing_eos, config.sampling.missing_eos_penalty) == ("replace", -1.0)
    assert config.ppo.advantage == "gae"


def test_a_stored_k3_reward_opens_as_k1_and_is_known_for_what_it_was(store):
    run = store.runs.create(config())
    with store.engine.begin() as connection:
        connection.execute(update(Run.__table__).where(Run.id == run.id).values(config=OLD))
    # Values given to a column are stored as they are; reading brings them to the present form.
    old, new = store.runs.get(run.id).config, store.runs.create(config()).config
    assert RunConfig.from_nested(old).kl.kl_estimator == "k1"
    assert (k3_was_reward(old), k3_was_reward(new)) == (True, False)
    assert (as_trained(old)["kl_estimator"], as_trained(new)["kl_estimator"]) == ("k3", "k1")
    assert (critic_weight(old), critic_weight(new)) == (0.1, 1.0)
    assert current_form(old) == old


def test_what_this_version_stores_reads_back_as_it_is():
    config = RunConfig.of(data="d", policy="p", critic_lam=0.5, advantage="rloo", group_size=8)
    assert RunConfig.from_nested(config.model_dump()) == config


def test_what_was_stored_before_conversations_were_rendered_reads_text():
    written = config().model_dump()
    assert written["data"].pop("prompt_format") == "auto"
    assert written["data"].pop("chat_template") is None
    opened = RunConfig.from_nested(written)
    assert opened.data.prompt_format == "text"
    assert opened.replace(seed=1).data.prompt_format == "text"
