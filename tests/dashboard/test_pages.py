"""The screens run from beginning to end, in both languages, with and without runs."""

import time

import pytest
import screen_material
from screens import problems, shown, visit

from drpo.analysis import metric_series

PAGES = ("home", "launch", "live", "resets", "sweep", "compare", "playground")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.usefixtures("store")
def test_an_empty_workspace_says_what_to_do_next(name, language):
    app = visit(name, lang=language)
    assert problems(app) == []
    assert app.title
    japanese = any("\u3040" <= letter <= "\u30ff" for letter in shown(app))
    assert japanese == (language == "ja")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_workspace_with_runs_is_shown_without_an_error(store, name, language):
    for seed in range(3):
        screen_material.add_run(store, f"run {seed}", updates=15, seed=seed)
    app = visit(name, lang=language)
    assert problems(app) == []


def test_a_link_names_the_run_the_step_and_the_detail(store):
    screen_material.add_run(store, "other", updates=10)
    run = screen_material.add_run(store, "mine", updates=10)
    app = visit("live", run=run.id, step="5", view="config", kind="episode")
    assert problems(app) == []
    assert app.selectbox(key="run").value == run.id
    assert app.select_slider(key="step").value == "5"
    assert app.session_state["view"] == "config"
    assert app.session_state["kind"] == "episode"


def test_a_link_to_a_run_that_is_gone_shows_another_one_instead_of_failing(store):
    run = screen_material.add_run(store, "mine", updates=5)
    app = visit("live", run="gone-123456")
    assert problems(app) == []
    assert app.selectbox(key="run").value == run.id


def test_stop_asks_the_live_run_to_save_and_stop(store):
    run = screen_material.add_run(store, "mine", updates=10, upto=5, status="running")
    app = visit("live", run=run.id)
    app.button(key=f"stop_{run.id}").click().run()
    assert [command.kind for command in store.commands.pending(run.id)] == ["stop"]


def test_changing_a_setting_sends_the_new_value_with_the_name_of_who_changed_it(store):
    run = screen_material.add_run(store, "mine", updates=10, upto=5, status="running")
    app = visit("live", run=run.id)
    app.slider(key=f"reset_prob_{run.id}").set_value(0.25)
    app.button(key=f"apply_{run.id}").click().run()
    [command] = store.commands.pending(run.id)
    assert command.kind == "set"
    assert command.payload == {"reset_prob": 0.25}
    assert command.who


def asked_of(store, run):
    return [command.payload for command in store.commands.pending(run.id)]


def test_apply_asks_only_for_the_setting_that_was_moved_and_only_once(store):
    run = screen_material.add_run(store, "mine", updates=10, upto=5, status="running")
    app = visit("live", run=run.id)
    app.button(key=f"apply_{run.id}").click().run()
    assert asked_of(store, run) == []
    assert "Nothing was moved" in app.toast[0].value
    app.select_slider(key=f"kl_coef_{run.id}").set_value(0.5)
    app.button(key=f"apply_{run.id}").click().run()
    app.button(key=f"apply_{run.id}").click().run()
    assert asked_of(store, run) == [{"kl_coef": 0.5}]


def test_an_untouched_slider_follows_its_setting_and_a_moved_one_stays(store):
    run = screen_material.add_run(store, "mine", updates=10, upto=5, status="running")
    app = visit("live", run=run.id)
    app.slider(key=f"reset_prob_{run.id}").set_value(0.25).run()
    store.metrics.append(run.id, 6, {"objective/kl_coef": 0.31, "reset/prob": 0.4})
    time.sleep(metric_series.FRESH_SECONDS)
    app.run()
    assert app.select_slider(key=f"kl_coef_{run.id}").value == 0.31
    assert app.slider(key=f"reset_prob_{run.id}").value == 0.25
    app.button(key=f"apply_{run.id}").click().run()
    assert asked_of(store, run) == [{"reset_prob": 0.25}]


def test_another_run_on_the_same_screen_shows_its_own_settings(store):
    left, right = (
        screen_material.add_run(store, str(kl), updates=10, upto=5, status="running", kl_coef=kl)
        for kl in (0.2, 0.5)
    )
    app = visit("live", run=left.id)
    app.select_slider(key=f"kl_coef_{left.id}").set_value(3.0).run()
    app.selectbox(key="run").set_value(right.id).run()
    assert app.select_slider(key=f"kl_coef_{right.id}").value == 0.5
    app.button(key=f"apply_{right.id}").click().run()
    assert asked_of(store, right) == []


@pytest.mark.parametrize(
    ("method", "offered"),
    [
        ("drpo", {"pause", "kl_coef", "reset_prob"}),
        ("ppo", {"pause", "kl_coef"}),
        ("dpo", set()),
    ],
)
def test_a_control_that_would_do_nothing_is_not_offered(store, method, offered):
    run = screen_material.add_run(store, "mine", updates=10, upto=5, status="running")
    groups = run.config
    store.runs.change(run.id, config={**groups, "run": {**groups["run"], "method": method}})
    app = visit("live", run=run.id)
    assert problems(app) == []
    widgets = [*app.button, *app.slider, *app.select_slider]
    shown_keys = {widget.key.removesuffix(f"_{run.id}") for widget in widgets if widget.key}
    assert "stop" in shown_keys
    assert shown_keys & {"pause", "kl_coef", "reset_prob"} == offered


@pytest.mark.parametrize(
    "view", ["path", "resets", "lengths", "losses", "all", "events", "log", "machine", "config"]
)
def test_every_detail_of_a_run_opens(store, view):
    run = screen_material.add_run(store, "mine", updates=15)
    app = visit("live", run=run.id, view=view)
    assert problems(app) == []
    assert app.session_state["view"] == view


def test_two_runs_side_by_side(store):
    runs = [screen_material.add_run(store, name, updates=10) for name in ("left", "right")]
    app = visit("live", run=runs[0].id, beside=runs[1].id)
    assert problems(app) == []
    headings = "".join(element.proto.body for element in app.get("html"))
    assert ">left</h3>" in headings
    assert ">right</h3>" in headings


def test_a_failed_run_says_why_as_text(store):
    run = screen_material.add_run(store, "mine", updates=10, upto=5, status="failed")
    store.runs.change(run.id, error="row 7: **not** an answer <b>")
    app = visit("live", run=run.id)
    [problem] = problems(app)
    assert "row 7: **not** an answer &lt;b&gt;" in problem


def test_launch_refuses_material_that_is_not_there_and_queues_nothing(store, tmp_path):
    app = visit(
        "launch", start="blank", data=str(tmp_path / "gone.jsonl"), policy=str(tmp_path / "model")
    )
    app.button(key="launch").click().run()
    [problem] = problems(app)
    assert str(tmp_path / "model") in problem
    assert store.runs.all() == []


@pytest.mark.usefixtures("store")
def test_settings_asked_for_in_a_link_fill_the_form():
    app = visit(
        "launch", start="blank", updates="7", kl_coef="0.05", reset_source="both", more="reset"
    )
    assert app.number_input(key="blank_updates").value == 7
    assert app.select_slider(key="blank_kl_coef").value == 0.05
    assert app.selectbox(key="blank_reset_source").value == "both"


@pytest.mark.usefixtures("store")
def test_a_half_filled_form_is_the_same_after_a_refresh():
    first = visit("launch", start="blank", data="1984", updates="7", name="3")
    link = {name: first.query_params[name] for name in first.query_params}
    again = visit("launch", **link)
    assert again.selectbox(key="blank_data").value == "1984"
    assert again.number_input(key="blank_updates").value == 7
    assert again.text_input(key="blank_name").value == "3"


@pytest.mark.usefixtures("store")
def test_a_folded_setting_of_a_link_counts_although_its_field_is_not_drawn():
    app = visit("launch", start="blank", data="pairs.jsonl", policy="org/model", adam_eps="0.25")
    assert "--adam-eps 0.25" in app.code[0].value


@pytest.mark.usefixtures("store")
def test_a_value_out_of_range_in_a_link_is_left_out():
    app = visit("launch", start="blank", updates="-3")
    assert problems(app) == []
    assert app.number_input(key="blank_updates").value >= 1


def test_compare_takes_its_runs_from_the_link(store):
    runs = [screen_material.add_run(store, f"run {i}", updates=5) for i in range(3)]
    app = visit("compare", runs=f"{runs[0].id},{runs[2].id}")
    assert problems(app) == []
    assert app.multiselect(key="runs").value == [runs[0].id, runs[2].id]
