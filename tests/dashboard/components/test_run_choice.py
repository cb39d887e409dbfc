"""A choice stays the run it is, however many runs share its name, and says what it cannot take."""

import pytest
import screen_material
from screens import notices, problems, shown, visit

from drpo.config.run_config import RunConfig


def queued(store, **settings):
    """A run of these settings alone, which no supervisor takes for its own."""
    run = store.runs.create(RunConfig.of(**{"data": "pairs.jsonl", "policy": "model"} | settings))
    store.runs.change(run.id, status="finished")
    return run


@pytest.fixture
def twins(store):
    """Two runs of one name that differ in kl_coef."""
    return [screen_material.add_run(store, "twin", updates=2, kl_coef=kl) for kl in (0.2, 0.05)]


def test_a_report_stays_on_its_run_where_another_has_the_same_name(twins):
    for run in twins:
        app = visit("report", runs=run.id)
        app.run()
        assert app.multiselect(key="runs").value == [run.id]


def test_a_launch_starts_like_the_run_chosen_where_another_has_the_same_name(twins):
    for run, kl_coef in zip(twins, (0.2, 0.05), strict=True):
        app = visit("launch", start=run.id)
        app.run()
        assert app.selectbox(key="start").value == run.id
        assert app.select_slider(key=f"{run.id}_kl_coef").value == kl_coef


def test_a_sweep_starts_from_the_run_chosen_where_another_has_the_same_name(twins):
    for run in twins:
        app = visit("sweep")
        app.selectbox(key="sweep_base").set_value(run.id).run()
        app.run()
        assert problems(app) == []
        assert app.selectbox(key="sweep_base").value == run.id


def test_a_setting_that_fits_only_its_starting_point_is_there_after_a_refresh(store):
    run = queued(store, episodes_per_update=48, num_mini_batches=4)
    app = visit("launch", start=run.id, more="ppo")
    app.number_input(key=f"{run.id}_num_mini_batches").set_value(3).run()
    assert "--num-mini-batches 3" in app.code[0].value
    link = {name: app.query_params[name] for name in app.query_params}
    assert "--num-mini-batches 3" in visit("launch", **link).code[0].value


@pytest.mark.usefixtures("store")
def test_settings_of_a_link_that_contradict_each_other_are_kept_and_said():
    asked = {
        "start": "blank",
        "data": "pairs.jsonl",
        "policy": "org/model",
        "name": "mine",
        "updates": "7",
        "num_mini_batches": "3",
    }
    app = visit("launch", **asked)
    [problem] = problems(app)
    assert "num_mini_batches (3)" in problem
    assert {name: app.query_params[name] for name in asked} == asked


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("leaf", "text"),
    [("kl_coef", "101"), ("updates", "many"), ("reset_source", "elsewhere"), ("adam_eps", "NaN")],
)
def test_a_setting_of_a_link_that_its_field_does_not_take_is_left_out_alone(leaf, text):
    app = visit(
        "launch",
        start="blank",
        data="pairs.jsonl",
        policy="org/model",
        episodes_per_update="128",
        **{leaf: text},
    )
    assert problems(app) == []
    words = app.code[0].value.split()
    assert words[words.index("--episodes-per-update") + 1] == "128"
    assert f"--{leaf.replace('_', '-')}" not in words


def test_a_strong_kl_brake_is_launched_as_strong_as_the_run_it_is_like(store):
    run = queued(store, kl_coef=20)
    app = visit("launch", start=run.id)
    slider = app.select_slider(key=f"{run.id}_kl_coef")
    assert slider.value == 20
    assert "--kl-coef 20" in app.code[0].value
    slider.set_value(5.0).run()
    app.run()
    assert app.select_slider(key=f"{run.id}_kl_coef").value == 5


@pytest.mark.parametrize("name", ["report", "compare"])
def test_a_link_with_more_runs_than_a_screen_takes_keeps_the_first_six(store, name):
    ids = [queued(store, name=f"s{number}").id for number in range(7)]
    app = visit(name, runs=",".join(ids))
    assert problems(app) == []
    assert app.multiselect(key="runs").value == ids[:6]


@pytest.mark.parametrize("name", ["report", "compare"])
def test_a_run_that_a_link_names_twice_is_shown_once(store, name):
    runs = [screen_material.add_run(store, name, updates=5) for name in ("one", "two")]
    app = visit(name, runs=",".join([runs[0].id, runs[0].id, runs[1].id]))
    assert problems(app) == []
    assert app.multiselect(key="runs").value == [run.id for run in runs]


def test_compare_says_which_run_of_a_link_is_not_here(twins):
    app = visit("compare", runs=f"{twins[0].id},gone-123456")
    assert problems(app) == []
    assert app.multiselect(key="runs").value == [twins[0].id]
    assert any("gone-123456" in box for box in notices(app))


def test_a_link_to_compare_opens_a_run_that_is_too_old_for_the_list(store):
    old = screen_material.add_run(store, "old", updates=5)
    for number in range(501):
        queued(store, name=f"later {number}")
    app = visit("compare", runs=old.id)
    assert problems(app) == []
    assert app.multiselect(key="runs").value == [old.id]


def test_the_launch_form_starts_like_a_run_that_is_too_old_for_its_list(store):
    old = queued(store, name="old", updates=7)
    for number in range(51):
        queued(store, name=f"later {number}")
    app = visit("launch", start=old.id)
    assert problems(app) == []
    assert app.selectbox(key="start").value == old.id
    assert app.number_input(key=f"{old.id}_updates").value == 7
    app.run()
    assert app.selectbox(key="start").value == old.id


@pytest.mark.usefixtures("store")
def test_the_launch_form_says_that_the_run_to_start_like_is_not_here():
    assert notices(visit("launch", start="blank")) == []
    app = visit("launch", start="gone-123456")
    assert problems(app) == []
    assert any("gone-123456" in box for box in notices(app))
    assert shown(app)
