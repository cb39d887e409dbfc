"""Runs of the workspace from Python: launched, found, read, steered, evaluated."""

import pandas as pd
import pytest
from runs import small_config

import drpo
from drpo.errors import DataError, RunError
from drpo.runs import background_supervisor, worker
from drpo.types import Control


@pytest.fixture
def configure(tmp_path, model_folder, reward_folder):
    def make(**settings):
        return small_config(tmp_path, model_folder("llama"), reward_folder, **settings)

    return make


@pytest.fixture
def supervised(store):
    """The store; the supervisor that the test starts has ended before its folder goes."""
    yield store
    for child in background_supervisor._children:
        child.wait(60)


@pytest.mark.usefixtures("supervised")
def test_a_launched_run_is_trained_by_a_process_of_its_own(configure):
    run = drpo.launch(configure(name="first try", updates=2))
    assert run.id.startswith("first-try-")
    assert run.wait(progress=False) is run
    assert (run.status, run.step) == ("finished", 2)
    assert run.metrics()["eval/scores"].notna().sum() == 2
    assert len(run.samples("episode", 1)) == 8
    assert [one.id for one in drpo.list_runs()] == [run.id]
    assert drpo.find_run("first").config == run.config
    assert run.model().config.vocab_size == 258
    with pytest.raises(RunError, match="only a live run"):
        run.stop()


@pytest.mark.usefixtures("store")
def test_what_cannot_start_is_not_queued(configure):
    with pytest.raises(DataError):
        drpo.launch(configure(data="nowhere.jsonl"))
    assert drpo.list_runs() == []


def test_waiting_for_a_failed_run_says_why(store, configure):
    row = store.runs.create(configure())
    store.runs.change(row.id, status="failed", error="The disk is full.")
    with pytest.raises(RunError, match="The disk is full"):
        drpo.find_run(row.id).wait(progress=False)


def test_a_live_run_is_steered(store, configure):
    row = store.runs.create(configure())
    run = drpo.find_run(row.id)
    run.set(kl_coef=0.4)
    assert store.commands.pending(row.id)[0].payload == {"kl_coef": 0.4}
    run.stop()
    assert run.status == "stopped"


def test_saved_data_sets_are_found_by_name_and_no_store_is_made_for_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path / "workspace"))
    monkeypatch.delenv("DRPO_DATABASE_URL", raising=False)
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"prompt": "a", "chosen": " b", "rejected": " c"}\n')
    loaded = drpo.load_pairs(str(file))
    assert [(pair.prompt, pair.chosen, pair.rejected) for pair in loaded] == [("a", " b", " c")]
    assert not (tmp_path / "workspace").exists()


def test_runs_of_memory_and_of_the_store_are_evaluated_alike(store, configure):
    config = configure(updates=2)
    row = store.runs.create(config)
    worker.execute(row.id, store)
    queued = drpo.find_run(row.id)
    here = drpo.train(config.replace(updates=3, eval_every=2), progress=False)
    found = drpo.evaluate(queued, here, prompts=4, seed=7, progress=False)
    figures = found.figures()
    assert figures.index.tolist() == [
        (queued.id, "start"),
        (queued.id, "step 2"),
        (here.id, "start"),
        (here.id, "step 3"),
    ]
    assert figures["kl"].tolist()[::2] == [0.0, 0.0]
    assert figures["scores"].notna().all()
    rates = found.win_rates()
    assert isinstance(rates, pd.DataFrame)
    assert set(rates["against"]) == {"start", "chosen", f"{queued.id}@2"}
    assert rates["value"].between(0, 1).all()
    # Figures of a run that the store does not know are not kept there, a stored run's are.
    assert store.documents.get("evaluation", f"{here.id}@3") is None
    drpo.evaluate(f"{queued.id}@2", prompts=4, progress=False)
    assert store.documents.get("evaluation", f"{queued.id}@2") is not None


def test_a_run_with_a_function_for_reward_is_evaluated_by_it(configure):
    def length(_prompts, answers):
        return [float(len(answer)) for answer in answers]

    run = drpo.train(configure(updates=1), reward=length, progress=False)
    (evaluated,) = drpo.evaluate(run, prompts=4, temperature=0, progress=False).contestants
    for answer in (row.policy for row in evaluated.rows):
        assert answer.score == len(answer.text)


def test_evaluations_that_make_no_sense_are_refused(configure):
    stopped = drpo.train(configure(), observer=_Stop(), progress=False)
    with pytest.raises(RunError, match="at least one run"):
        drpo.evaluate()
    with pytest.raises(RunError, match="named twice"):
        drpo.evaluate(stopped, stopped)


class _Stop(drpo.Observer):
    def control(self, step):
        return Control(stop=step == 2)
