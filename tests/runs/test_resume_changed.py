"""A run that diverged, or was stopped, goes on with other settings: recorded, and exact."""

import shutil

import pytest
from runs import small_config
from screens import visit
from told import told

from drpo.errors import ConfigError, RunError
from drpo.i18n import spoken
from drpo.runs import event_words, worker
from drpo.store import run_folder
from drpo.system import control

HUGE = 1e30
"""A step after which nothing is a number."""


@pytest.fixture
def make(store, tmp_path, model_folder, reward_folder):
    def made(**settings):
        settings = {"updates": 4, "eval_every": 2, "checkpoint_every": 1, **settings}
        config = small_config(tmp_path, model_folder(), reward_folder, **settings)
        return store.runs.create(config).id

    return made


def test_a_run_that_diverged_goes_on_as_if_it_had_had_lower_steps(store, make):
    straight, diverged = make(learning_rate=1e-3), make(learning_rate=HUGE)
    assert worker.execute(straight, store) == "finished"
    assert worker.execute(diverged, store) == "failed"
    run = store.runs.get(diverged)
    assert "resume it with a lower learning_rate" in run.error
    control.resume(store, diverged, "ann", {"learning_rate": "1e-3"})
    assert worker.execute(diverged, store) == "finished"
    mine, theirs = told(store, diverged), told(store, straight)
    for what in ("weights", "metrics", "samples"):
        assert mine[what] == theirs[what], what
    [change] = store.events.setting_changes(diverged)
    assert (change["step"], change["who"], change["name"]) == (0, "ann", "learning_rate")
    assert (change["old"], change["new"]) == (HUGE, 1e-3)


def cut_back(store, run_id, step):
    """Leave a run as a kill does before its checkpoints from this step on."""
    for folder in (run_folder(run_id) / "checkpoints").glob("step-*"):
        if int(folder.name[-6:]) >= step:
            shutil.rmtree(folder)
    store.runs.change(run_id, status="interrupted")


def test_what_is_changed_on_a_resume_outlives_another_kill(store, make):
    run_id = make()
    assert worker.execute(run_id, store) == "finished"
    before = told(store, run_id)
    cut_back(store, run_id, 4)
    control.resume(store, run_id, settings={"learning_rate": 2e-3, "kl_coef": 0.3})
    assert worker.execute(run_id, store) == "finished"
    whole = told(store, run_id)
    assert whole["weights"] != before["weights"]
    assert [e[:2] for e in whole["events"] if e[1] == "setting"] == [(3, "setting")] * 2
    for step in (1, 3, 4):
        cut_back(store, run_id, step)
        control.resume(store, run_id)
        assert worker.execute(run_id, store) == "finished"
        again = told(store, run_id)
        assert again["weights"] == whole["weights"], step
        assert again["metrics"] == whole["metrics"], step
        assert sorted(again["events"]) == sorted(whole["events"]), step


def test_only_what_may_change_does(store, make):
    run_id = make()
    store.runs.change(run_id, status="failed")
    for values in ({"gamma": 0.5}, {"learning_rate": -1}, {"kl_coef": "much"}):
        with pytest.raises(ConfigError):
            control.resume(store, run_id, settings=values)
    assert store.runs.get(run_id).status == "failed"
    dpo = make(method="dpo")
    store.runs.change(dpo, status="failed")
    with pytest.raises(ConfigError, match="only devices can"):
        control.resume(store, dpo, settings={"learning_rate": 1e-4})
    control.resume(store, run_id, settings={"learning_rate": 1e-4})
    with pytest.raises(RunError):
        control.resume(store, run_id, settings={"learning_rate": 1e-5})
    [asked] = store.commands.pending(run_id)
    assert (asked.kind, asked.payload) == ("set", {"learning_rate": 1e-4})


@pytest.mark.parametrize(("lang", "said"), [("en", "critic's loss"), ("ja", "価値関数の損失")])
def test_divergence_is_told_in_the_visitors_language(store, make, lang, said):
    run_id = make()
    payload = {
        "how": "diverged",
        "tensor": "critic's loss",
        "part": "batch",
        "places": "3, 4",
        "setting": "learning_rate",
    }
    store.events.add(run_id, 2, "error", "The critic's loss became NaN.", payload)
    store.runs.change(run_id, status="failed", error="The critic's loss became NaN.")
    with spoken(lang):
        words = event_words.trouble(store.runs.get(run_id), store.events.since(run_id))
    assert said in words
    assert "3, 4" in words
    assert "learning_rate" in words


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_screen_offers_half_the_step_after_a_divergence(store, make, lang):
    run_id = make(learning_rate=4e-4)
    store.events.add(run_id, 0, "error", "The scores became NaN.", {"how": "diverged"})
    store.runs.change(run_id, status="failed", error="The scores became NaN.")
    app = visit("live", run=run_id, lang=lang)
    [field] = [one for one in app.number_input if "learning_rate" in one.key]
    assert field.value == pytest.approx(2e-4)
    app.button(key=f"resume_apply_{run_id}").click().run()
    assert store.runs.get(run_id).status == "queued"
    [asked] = store.commands.pending(run_id)
    assert asked.payload == {"learning_rate": pytest.approx(2e-4)}
