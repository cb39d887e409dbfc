"""The pilot's screen keeps to the data that were chosen, and hands its whole plan on."""

from urllib.parse import parse_qsl

import pytest
from screens import visit

from drpo.config.run_config import RunConfig
from drpo.dashboard.screens.launch import form as launch_form
from drpo.data import Pair
from drpo.data.library.versions import save_version
from drpo.errors import ConfigError
from drpo.pilot import design


def test_other_pairs_do_not_take_the_held_out_file_of_the_first(store):
    for name in ("first", "first heldout", "own", "own heldout"):
        save_version(store, [Pair(f"{name} {n}:", " good", " bad") for n in range(4)], name)
    one = design.create(store, "p", {"data": "first", "heldout": "first heldout", "policy": "m"})

    def planned():
        settings = design.load(store, one.id).settings
        return settings["data"], settings["heldout"]

    app = visit("pilot", pilot=one.id, step="1")
    assert not app.exception
    assert planned() == ("first", "first heldout")
    app.selectbox(key=f"{one.id}_data").set_value("own").run()
    assert planned() == ("own", None)
    app.run()
    assert not app.exception
    assert planned() == ("own", None), "another rerun brings nothing back"
    app.selectbox(key=f"{one.id}_heldout_own").set_value("own heldout").run()
    app.run()
    assert planned() == ("own", "own heldout")


def test_the_plan_has_the_reset_prob_that_its_slider_shows(store):
    one = design.create(store, "p", PLAN)
    app = visit("pilot", pilot=one.id, step="2")
    assert not app.exception
    slider = app.slider(key=f"{one.id}_reset_prob")
    slider.set_value(slider.min).run()
    assert not app.exception
    shown = app.slider(key=f"{one.id}_reset_prob").value
    assert design.load(store, one.id).reset_prob == shown
    assert shown > 0, "at 0 the two arms would be the same runs"


PLAN = {
    "data": "own",
    "policy": "m",
    "reward_model": None,
    "reward_source": "gold",
    "updates": 10,
    "episodes_per_update": 32,
    "num_mini_batches": 4,
    "num_ppo_epochs": 2,
    "response_length": 40,
    "learning_rate": 2e-4,
    "lr_schedule": "constant",
    "kl_coef": 0.02,
    "eval_prompts": 64,
    "missing_eos_penalty": None,
    "whiten_rewards": True,
    "alarm_pause": ("kl_budget",),
}
SCALE = {
    "updates": 100.0,
    "episodes_per_update": 64.0,
    "seeds": 1.0,
    "model_times": 1.0,
    "length_times": 1.5,
}


def decided(store, choice="scale_plain", **scale):
    one = design.create(store, "p", PLAN)
    return design.decide(store, one, choice, scale={**SCALE, **scale})


def test_the_launch_form_opens_with_the_whole_plan(store):
    one = decided(store)
    app = visit("pilot", pilot=one.id, step="4")
    assert not app.exception
    links = [dict(parse_qsl(link.proto.query_string)) for link in app.get("page_link")]
    [asked] = [query for query in links if "start" in query]
    form = visit("launch", **asked)
    assert not form.exception
    wanted = RunConfig.of(
        **{
            **PLAN,
            "updates": 100,
            "episodes_per_update": 64,
            "reset_prob": 0.0,
            "response_length": 60,
        }
    )
    assert form.code[0].value == launch_form.command_line_of(wanted)


def test_a_scale_that_contradicts_the_pilots_settings_is_a_sentence(store):
    with pytest.raises(ConfigError, match=r"episodes_per_update \(65\) must be a multiple"):
        design.scaled(decided(store, episodes_per_update=65.0))
    assert design.scaled(decided(store, "scale_resets")).reset.reset_prob == 0.5
