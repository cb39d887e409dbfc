"""A worker carries a run out, obeys, and says how it ended, whatever happens."""

import json
import threading

import pytest
import torch
from runs import small_config, wait_until, write_pairs
from safetensors import SafetensorError
from sqlalchemy import text

from drpo.errors import CheckpointError, RunError
from drpo.runs import run_outcome, worker
from drpo.runs.store_observer import StoreObserver
from drpo.store import run_folder
from drpo.system import control


@pytest.fixture
def configure(tmp_path, model_folder, reward_folder):
    def make(**settings):
        reward = settings.pop("reward", reward_folder)
        return small_config(tmp_path, model_folder("llama"), reward, **settings)

    return make


def test_a_finished_run_has_its_figures_answers_and_files(store, configure):
    run = store.runs.create(configure())
    assert worker.execute(run.id, store) == "finished"
    done = store.runs.get(run.id)
    assert (done.status, done.step, done.error) == ("finished", 4, "")
    assert done.summary["episodes"] == 32
    assert done.summary["first"]["step"] == 0
    assert done.summary["last"]["step"] == 4
    assert {"scores", "kl", "mean_length", "scores_se"} <= done.summary["last"].keys()
    assert done.summary["wall_seconds"] > 0
    assert done.summary["versions"]["torch"] == torch.__version__
    assert (done.summary["data"]["train"], done.summary["data"]["heldout"]) == (24, 6)
    assert store.samples.steps(run.id) == [0, 2, 4]
    assert len(store.samples.at(run.id, 1, "episode")) == 8
    assert {"objective/kl", "eval/scores", "eval/rm_accuracy"} <= set(store.metrics.names(run.id))
    folder = run_folder(run.id)
    assert (folder / "config.json").is_file()
    assert json.loads((folder / "threads.json").read_text()) == {"threads": 1}


def test_ppo_is_drpo_without_resets(store, configure):
    run = store.runs.create(configure(method="ppo", reset_prob=0.5, updates=1))
    assert worker.execute(run.id, store) == "finished"
    frame = store.metrics.since(run.id, names=["reset/fraction"])
    assert frame["value"].tolist() == [0.0]


@pytest.mark.parametrize("source", ["chosen", "rollin"])
def test_ppo_never_resets_even_where_an_earlier_version_let_somebody_ask_for_it(
    store, configure, source
):
    run = store.runs.create(configure(method="ppo", reset_source=source, updates=1))
    store.commands.add(run.id, "set", {"reset_prob": 1.0})
    assert worker.execute(run.id, store) == "finished"
    frame = store.metrics.since(run.id, names=["reset/fraction"])
    assert frame["value"].tolist() == [0.0]


def test_all_stages_run_in_order_and_are_not_repeated(store, configure):
    config = configure(reward=None, sft_epochs=1.0, updates=2, sft_batch_size=8, rm_batch_size=8)
    run = store.runs.create(config)
    assert worker.execute(run.id, store) == "finished"
    stages = [event.message for event in store.events.since(run.id, kinds=("stage",))]
    assert [message.split(" trained")[0] for message in stages] == ["sft", "reward model"]
    assert {"accuracy", "margin"} <= store.runs.get(run.id).summary["reward_model"].keys()
    weights = run_folder(run.id) / "models" / "reward_model" / "model.safetensors"
    written = weights.stat().st_mtime_ns
    store.runs.change(run.id, status="interrupted")
    control.resume(store, run.id)
    assert worker.execute(run.id, store) == "finished"
    assert weights.stat().st_mtime_ns == written
    assert len(store.events.since(run.id, kinds=("stage",))) == 2


def test_dpo_is_measured_like_the_others_and_exported(store, configure, tmp_path):
    run = store.runs.create(configure(method="dpo", dpo_batch_size=8, dpo_learning_rate=1e-3))
    assert worker.execute(run.id, store) == "finished"
    summary = store.runs.get(run.id).summary
    assert summary["first"]["kl"] == pytest.approx(0, abs=1e-6)
    assert summary["last"]["kl"] > 0
    assert "dpo/rewards/margins" in store.metrics.names(run.id)
    # The worker dies in the evaluation after it: the stage is not run again, its curves stay.
    learned = len(store.metrics.since(run.id, names=["dpo/loss"]))
    store.runs.change(run.id, status="interrupted")
    control.resume(store, run.id)
    assert worker.execute(run.id, store) == "finished"
    assert len(store.metrics.since(run.id, names=["dpo/loss"])) == learned > 0
    worker.export(run.id, tmp_path / "out", store)
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_best_of_greedy_answers_is_drawn_at_the_temperature_of_training(store, configure):
    run = store.runs.create(configure(method="best_of_n", best_of_n=4, eval_temperature=0.0))
    assert worker.execute(run.id, store) == "finished"
    before, after = ([s.response for s in store.samples.at(run.id, step)] for step in (0, 1))
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_best_of_n_scores_at_least_the_start_policy(store, configure, tmp_path):
    run = store.runs.create(configure(method="best_of_n", best_of_n=4))
    assert worker.execute(run.id, store) == "finished"
    summary = store.runs.get(run.id).summary
    assert summary["last"]["scores"] > summary["first"]["scores"]
    with pytest.raises(RunError, match="trains nothing"):
        worker.export(run.id, tmp_path / "out", store)


def test_a_wrong_setting_becomes_a_sentence(store, configure):
    run = store.runs.create(configure(data="nowhere.jsonl"))
    assert worker.execute(run.id, store) == "failed"
    done = store.runs.get(run.id)
    assert done.status == "failed"
    assert "nowhere.jsonl" in done.error
    assert "Traceback" not in done.error


def test_an_unexpected_error_becomes_a_plain_sentence(store, configure, caplog):
    run = store.runs.create(configure())
    (run_folder(run.id) / "threads.json").mkdir(parents=True)
    assert worker.execute(run.id, store) == "failed"
    error = store.runs.get(run.id).error
    assert error.startswith("Something unexpected went wrong (IsADirectoryError")
    assert "Traceback" not in error
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("left", ["", '{"thr'])
def test_a_number_of_threads_that_was_cut_short_is_counted_anew(store, configure, left):
    run = store.runs.create(configure(updates=1))
    file = run_folder(run.id) / "threads.json"
    file.parent.mkdir(parents=True)
    file.write_text(left)
    assert worker.execute(run.id, store) == "finished", store.runs.get(run.id).error
    assert json.loads(file.read_text()) == {"threads": 1}


@pytest.mark.parametrize(
    ("visible", "device", "used"),
    [
        ("2,3", "cuda:3", "cuda:1"),
        ("GPU-aaaa, GPU-bbbb", "cuda:GPU-aaaa", "cuda:0"),
        ("0,1", "cuda:1", "cuda:1"),
        ("2,3", "cpu", "cpu"),
    ],
)
def test_a_thread_names_its_gpu_as_torch_does(store, configure, monkeypatch, visible, device, used):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    run = store.runs.create(configure(executor="thread", data="nowhere.jsonl"))
    store.runs.change(run.id, device=device)
    worker.execute(run.id, store)
    written = json.loads((run_folder(run.id) / "config.json").read_text())
    assert written["models"]["device"] == used


def test_a_disk_that_is_full_while_a_checkpoint_is_written_is_named(tmp_path):
    error = SafetensorError("I/O error: No space left on device (os error 28)")
    assert run_outcome.plain_sentence(error, tmp_path).startswith(
        "The disk is full; free space for"
    )


def test_lost_metrics_are_counted_and_training_goes_on(store, configure, caplog):
    run = store.runs.create(configure(updates=2))
    with store.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER sick BEFORE INSERT ON metrics WHEN NEW.step = 1 "
                "BEGIN SELECT RAISE(FAIL, 'the disk is sick'); END"
            )
        )
    assert worker.execute(run.id, store) == "finished"
    assert store.runs.get(run.id).summary["lost_writes"] == 1
    assert 1 not in set(store.metrics.since(run.id)["step"])
    assert "the disk is sick" in caplog.text


def test_a_stop_saves_and_a_resume_finishes(store, configure):
    run = store.runs.create(configure(updates=4))
    store.commands.add(run.id, "stop", who="ann")
    assert worker.execute(run.id, store) == "stopped"
    assert store.runs.get(run.id).step == 0
    assert [e.who for e in store.events.since(run.id, kinds=("stop",))] == ["ann"]
    control.resume(store, run.id)
    assert worker.execute(run.id, store) == "finished"
    assert store.runs.get(run.id).step == 4


def test_a_run_has_one_worker_at_a_time(store, configure):
    run = store.runs.create(configure(updates=400))
    thread = threading.Thread(target=worker.execute, args=(run.id, store))
    thread.start()
    wait_until(store, run.id, lambda run: run.status == "running")
    with pytest.raises(RunError, match="has a worker already"):
        worker.execute(run.id, store)
    control.stop(store, run.id)
    thread.join()
    assert store.runs.get(run.id).status == "stopped"


def test_pause_change_and_resume_are_applied_between_updates(store, configure, tmp_path):
    run = store.runs.create(configure(updates=400))
    thread = threading.Thread(target=worker.execute, args=(run.id, store))
    thread.start()
    wait_until(store, run.id, lambda run: run.step >= 1)
    control.pause(store, run.id, "ann")
    paused = wait_until(store, run.id, lambda run: run.status == "paused")
    control.change_settings(store, run.id, {"kl_coef": "0.7"}, "bob")
    control.resume(store, run.id, "ann")
    wait_until(store, run.id, lambda run: run.status == "running" and run.step > paused.step + 2)
    control.stop(store, run.id, "ann")
    thread.join()
    change = store.events.since(run.id, kinds=("setting",))[0]
    assert (change.who, change.payload["new"]) == ("bob", 0.7)
    frame = store.metrics.since(run.id, names=["objective/kl_coef"])
    after = frame[frame["step"] > change.step]["value"]
    assert not after.empty
    assert set(after) == {0.7}
    assert set(frame[frame["step"] <= change.step]["value"]) == {0.1}
    kinds = [event.kind for event in store.events.since(run.id, kinds=("pause", "resume"))]
    assert kinds == ["pause", "resume"]
    worker.export(run.id, tmp_path / "out", store)
    record = json.loads((tmp_path / "out" / "drpo_run.json").read_text())
    assert record["config"]["kl"]["kl_coef"] == 0.1
    assert [(one["who"], one["old"], one["new"]) for one in record["knobs"]] == [("bob", 0.1, 0.7)]


def test_a_setting_changed_after_the_checkpoint_is_changed_again_on_resume(store, configure):
    run = store.runs.create(configure())
    payload = {"name": "kl_coef", "old": 0.1, "new": 0.5, "live": True}
    store.events.add(run.id, 3, "setting", "kl_coef 0.1 -> 0.5", payload, "ann")
    observer = StoreObserver(store, run.id)
    observer.rewind(2, {"kl_coef": 0.1, "reset_prob": 0.5})
    assert observer.control(2).settings == {}
    # It ends before the update at which the setting was changed, and is resumed once more.
    observer = StoreObserver(store, run.id)
    observer.rewind(2, {"kl_coef": 0.1, "reset_prob": 0.5})
    assert observer.control(3).settings == {"kl_coef": 0.5}
    assert store.events.since(run.id, kinds=("setting",)) == []
    observer.event(3, "setting", "kl_coef 0.1 -> 0.5", payload)
    assert store.events.since(run.id, kinds=("setting",))[0].who == "ann"


def test_a_change_after_the_resume_overrules_later_ones_from_before_it(store, configure):
    run = store.runs.create(configure())
    for name, old, new in (("kl_coef", 0.1, 0.5), ("reset_prob", 0.5, 0.2)):
        payload = {"name": name, "old": old, "new": new, "live": True}
        store.events.add(run.id, 4, "setting", f"{name} {old} -> {new}", payload, "ann")
    observer = StoreObserver(store, run.id)
    observer.rewind(2, {"kl_coef": 0.1, "reset_prob": 0.5})
    store.commands.add(run.id, "set", {"kl_coef": 0.9}, "bob")
    assert observer.control(3).settings == {"kl_coef": 0.9}
    assert observer.control(4).settings == {"reset_prob": 0.2}


def test_a_change_that_the_checkpoint_holds_is_not_made_twice(store, configure):
    run = store.runs.create(configure())
    payload = {"name": "kl_coef", "old": 0.1, "new": 0.5, "live": True}
    store.events.add(run.id, 2, "setting", "kl_coef 0.1 -> 0.5", payload, "ann")
    observer = StoreObserver(store, run.id)
    observer.rewind(2, {"kl_coef": 0.5, "reset_prob": 0.5})
    assert observer.control(2).settings == {}
    assert len(store.events.since(run.id, kinds=("setting",))) == 1


@pytest.mark.parametrize(
    ("changes", "saved", "again", "kept"),
    [
        ((0.2, 0.1), 0.1, {}, 2),  # saved before both or after both: back where it stood
        ((0.2, 0.1), 0.2, {"kl_coef": 0.1}, 1),  # saved between them
        ((0.2, 0.3), 0.1, {"kl_coef": 0.3}, 0),  # saved before both
        ((0.2, 0.1, 0.3), 0.1, {"kl_coef": 0.3}, 2),
    ],
)
def test_a_setting_changed_several_times_in_a_pause_ends_where_it_was_left(
    store, configure, changes, saved, again, kept
):
    run = store.runs.create(configure())
    old = 0.1
    for new in changes:
        payload = {"name": "kl_coef", "old": old, "new": new, "live": True}
        store.events.add(run.id, 2, "setting", f"kl_coef {old} -> {new}", payload, "ann")
        old = new
    observer = StoreObserver(store, run.id)
    observer.rewind(2, {"kl_coef": saved, "reset_prob": 0.5})
    assert observer.control(2).settings == again
    assert len(store.events.since(run.id, kinds=("setting",))) == kept


def test_nothing_to_export_is_said(store, configure, tmp_path):
    run = store.runs.create(configure())
    with pytest.raises(CheckpointError):
        worker.export(run.id, tmp_path / "out", store)


def test_heldout_prompts_do_not_depend_on_the_seed(tmp_path, configure):
    from drpo.data.run_data import load_run_data

    data = str(write_pairs(tmp_path / "all.jsonl", 40))
    first, second = (
        load_run_data(configure(data=data, heldout=None, heldout_fraction=0.25, seed=seed), None)
        for seed in (1, 2)
    )
    assert [p.prompt for p in first.heldout] == [p.prompt for p in second.heldout]
    assert not {p.prompt for p in first.heldout} & {p.prompt for p in first.train}


def test_a_stage_that_begins_anew_forgets_the_curve_it_had(store, configure):
    observer = StoreObserver(store, store.runs.create(configure()).id)
    observer.stage_metrics("rm", 1, {"loss": 0.7})
    observer.stage_metrics("sft", 1, {"loss": 2.0})
    observer.begin_stage("rm")
    assert store.metrics.names(observer.run_id) == ["sft/loss"]


def test_what_lies_beyond_the_checkpoint_is_no_longer_told(store, configure):
    run, other = (store.runs.create(configure()).id for _ in range(2))
    observer = StoreObserver(store, run)
    for step in (0, 5, 15):
        observer.metrics(step, {"eval/scores": float(step), "eval/kl": 0.0})
        store.documents.put("evaluation", f"{run}@{step}", {"step": step})
    for mine, theirs in ((5, 0), (15, 0), (5, 15)):
        ends = {"run": f"{run}@{mine}", "against": f"{other}@{theirs}"}
        store.documents.put("comparison", f"{ends['run']}~{ends['against']}~gold", ends)
        store.documents.put(
            "comparison",
            f"{ends['against']}~{ends['run']}~gold",
            {"run": ends["against"], "against": ends["run"]},
        )
    observer.rewind(10)
    assert "last" not in observer.summary
    kept = {document.key for document in store.documents.all("evaluation")}
    assert kept == {f"{run}@0", f"{run}@5"}
    assert not any(f"{run}@15" in one.key for one in store.documents.all("comparison"))
    assert len(store.documents.all("comparison")) == 4


def test_an_export_says_which_update_it_is_of(store, configure, tmp_path):
    run = store.runs.create(configure(checkpoint_every=2, updates=3, eval_every=2))
    assert worker.execute(run.id, store) == "finished"
    store.runs.change(run.id, step=99)  # a live run is further than what it has saved
    worker.export(run.id, tmp_path / "out", store)
    assert json.loads((tmp_path / "out" / "drpo_run.json").read_text())["updates"] == 3


def test_the_figures_of_a_run_are_kept_without_what_no_number_can_say(store, configure):
    run = store.runs.create(configure())
    observer = StoreObserver(store, run.id)
    observer.metrics(0, {"eval/kl": float("inf"), "eval/gold": 0.5})
    last = store.runs.get(run.id).summary["last"]
    assert (last["kl"], last["gold"], last["step"]) == (None, 0.5, 0)
