"""Settings stored by an earlier version open in the present form, and PPO is without resets."""

import pytest
from sqlalchemy import update

from drpo.config.run_config import RunConfig
from drpo.config.stored import current_form
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
