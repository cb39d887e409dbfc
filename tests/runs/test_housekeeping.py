"""Runs are named, tagged, deleted and brought back; only erasing loses anything."""

import subprocess
import sys

import pytest

from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError, RunError
from drpo.evaluation.storage import comparison_key
from drpo.runs import housekeeping
from drpo.store import run_folder
from drpo.store.schema import Sweep
from drpo.system import processes
from drpo.types import Sample


def add(store, name="mine", status="finished", sweep_id=None, **settings):
    config = RunConfig.of(**{"data": "pairs", "policy": "start", "name": name, **settings})
    run = store.runs.create(config, sweep_id=sweep_id)
    store.runs.change(run.id, status=status)
    return store.runs.get(run.id)


def full(store, **more):
    """A run with a row in every table and files in its folder."""
    run = add(store, **more)
    store.metrics.append(run.id, 1, {"eval/kl": 1.0})
    store.samples.append(
        run.id, [Sample(step=1, kind="heldout", item=0, start="prompt", prompt="p", response="r")]
    )
    store.events.add(run.id, 1, "note", "said")
    store.commands.add(run.id, "stop")
    store.documents.put("monitor", run.id, {"1": {}})
    store.documents.put("evaluation", f"{run.id}@1", {"figures": {}})
    (run_folder(run.id) / "checkpoints").mkdir(parents=True)
    (run_folder(run.id) / "checkpoints" / "weights").write_bytes(b"x" * 1000)
    return run


def test_a_run_gets_another_name_without_stray_spaces(store):
    run = add(store)
    housekeeping.rename(store, run.id, "  the   good\none ")
    assert store.runs.get(run.id).name == "the good one"


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_a_name_that_is_empty_or_too_long_is_refused(store, name):
    run = add(store)
    with pytest.raises(ConfigError, match="1 to 100 characters"):
        housekeeping.rename(store, run.id, name)
    assert store.runs.get(run.id).name == "mine"


def test_tags_are_kept_once_and_in_order(store):
    run = add(store)
    housekeeping.tag(store, run.id, ["paper", " for  review", "", "paper"])
    assert store.runs.get(run.id).tags == ["paper", "for review"]
    with pytest.raises(ConfigError, match="10 tags"):
        housekeeping.tag(store, run.id, [str(i) for i in range(11)])
    with pytest.raises(ConfigError, match="30 characters"):
        housekeeping.tag(store, run.id, ["x" * 31])


def test_a_deleted_run_is_in_no_list_and_comes_back_whole(store):
    run = full(store)
    housekeeping.delete(store, run.id)
    assert store.runs.all() == []
    assert [one.id for one in store.runs.all(deleted=True)] == [run.id]
    housekeeping.restore(store, run.id)
    assert [one.id for one in store.runs.all()] == [run.id]
    assert store.samples.steps(run.id) == [1]
    assert housekeeping.bytes_of(run.id) == 1000


@pytest.mark.parametrize("status", ["queued", "running", "paused"])
def test_a_live_run_cannot_be_deleted_and_the_error_says_what_to_do(store, status):
    run = add(store, status=status)
    with pytest.raises(RunError, match="Stop it first"):
        housekeeping.delete(store, run.id)
    assert store.runs.get(run.id).deleted_at is None


def test_erasing_leaves_nothing_behind_and_touches_no_other_run(store):
    kept, gone = full(store, name="kept"), full(store, name="gone")
    housekeeping.delete(store, gone.id)
    housekeeping.erase(store, gone.id)
    assert not run_folder(gone.id).exists()
    assert store.metrics.since(gone.id).empty
    assert store.samples.steps(gone.id) == []
    assert store.events.since(gone.id) == []
    assert store.commands.pending(gone.id) == []
    with pytest.raises(RunError):
        store.runs.get(gone.id)
    left = {document.key for kind in housekeeping.OF_RUNS for document in store.documents.all(kind)}
    assert left == {kept.id, f"{kept.id}@1"}
    assert housekeeping.bytes_of(kept.id) == 1000
    assert len(store.metrics.since(kept.id)) == 1


def test_with_a_run_goes_how_others_fared_against_it_and_nothing_else(store):
    kept, gone, third = (add(store, name=name) for name in ("kept", "gone", "third"))
    for subject, other in ((kept, gone), (gone, kept), (kept, third)):
        ends = f"{subject.id}@5", f"{other.id}@5"
        store.documents.put(
            "comparison", comparison_key(*ends, "gold"), {"run": ends[0], "against": ends[1]}
        )
    housekeeping.delete(store, gone.id)
    housekeeping.erase(store, gone.id)
    (left,) = store.documents.all("comparison")
    assert left.body["against"] == f"{third.id}@5"


def test_a_run_of_another_version_keeps_none_from_being_erased(store):
    gone, other = full(store, name="gone"), add(store, name="other")
    config = {**other.config, "data": {**other.config["data"], "old_setting": 1}}
    store.runs.change(other.id, config=config)
    housekeeping.delete(store, gone.id)
    housekeeping.erase(store, gone.id)
    assert [run.id for run in store.runs.all(deleted=True)] == []


def test_only_a_deleted_run_can_be_erased(store):
    run = full(store)
    with pytest.raises(RunError, match="not deleted"):
        housekeeping.erase(store, run.id)
    assert run_folder(run.id).exists()


def test_a_run_whose_weights_another_run_began_from_is_not_erased(store):
    first = full(store, name="first")
    second = add(store, name="second", policy=str(run_folder(first.id) / "checkpoints"))
    for run in (first, second):
        housekeeping.delete(store, run.id)
    with pytest.raises(RunError, match=second.id):
        housekeeping.erase(store, first.id)
    housekeeping.erase(store, second.id)
    housekeeping.erase(store, first.id)
    assert store.runs.all(deleted=True) == []


def test_a_run_of_a_sweep_that_goes_on_is_not_erased(store):
    store.sweeps.add(Sweep(id="s", name="s", plan={}))
    run = full(store, sweep_id="s")
    housekeeping.delete(store, run.id)
    with pytest.raises(RunError, match="sweep that goes on"):
        housekeeping.erase(store, run.id)
    store.sweeps.change("s", status="stopped")
    housekeeping.erase(store, run.id)


def test_a_run_whose_worker_still_writes_is_not_erased(store):
    run = full(store, status="interrupted")
    housekeeping.delete(store, run.id)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as worker:
        store.runs.change(
            run.id,
            pid=worker.pid,
            pid_started=processes.start_time(worker.pid),
            host=processes.hostname(),
        )
        with pytest.raises(RunError, match="has not ended"):
            housekeeping.erase(store, run.id)
        worker.communicate(b"\n")
    housekeeping.erase(store, run.id)


@pytest.mark.parametrize("run_id", ["..", ".", "../outside", "a/b"])
def test_an_odd_id_never_names_a_folder_outside(store, tmp_path, run_id):
    outside = tmp_path / "outside"
    outside.mkdir()
    store.runs.create(RunConfig.of(data="pairs", policy="start"), run_id=run_id)
    store.runs.change(run_id, status="finished")
    housekeeping.delete(store, run_id)
    with pytest.raises(RunError, match="names no folder"):
        housekeeping.erase(store, run_id)
    assert outside.exists()
