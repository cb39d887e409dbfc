"""A run on machines that share no folder: files by an object store, the rest by PostgreSQL.

The machines are caches of their own, the workers real processes, the object store a folder that
nothing but fsspec opens.
"""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from postgres_server import database, server
from runs import small_config
from told import assert_told_alike
from toy import toy_pairs

from drpo import home
from drpo.data.library.versions import save_version
from drpo.errors import ConfigError, FilesAwayError, RunError
from drpo.evaluation.policies import kept_policies
from drpo.executors.begin import ORDER, become_worker, write_order
from drpo.executors.interface import worker_log
from drpo.executors.process import start_worker
from drpo.home import holdings
from drpo.runs import housekeeping, preflight, publishing, worker
from drpo.runs.supervisor import Supervisor
from drpo.store import Store, run_folder, workspace
from drpo.system import backup, control

__all__ = ["server"]


@pytest.fixture
def node(server, tmp_path, monkeypatch, request):
    """Make this process, and the workers it starts, one of several machines."""
    monkeypatch.setenv("DRPO_HOME", f"file://{tmp_path}/bucket/team")
    monkeypatch.setenv("DRPO_DATABASE_URL", database(server, request.node.nodeid))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(holdings, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(holdings, "LISTED_SECONDS", 0.0)

    def become(number):
        monkeypatch.setenv("DRPO_CACHE", str(tmp_path / f"node-{number}"))

    become(1)
    return become


@pytest.fixture
def store(node):  # noqa: ARG001 - it says where
    opened = Store()
    yield opened
    opened.close()


@pytest.fixture
def configure(store, tmp_path, model_folder, reward_folder):
    """Settings whose model and data are in the home."""
    model = workspace() / "models" / "tiny"
    shutil.copytree(model_folder(), model)
    home.publish(model)
    save_version(store, toy_pairs(24), "toy")

    def make(**settings):
        settings = {"data": "toy", "checkpoint_every": 2, **settings}
        return small_config(tmp_path, model, reward_folder, **settings)

    return make


def begin(store, run_id):
    store.runs.move(run_id, from_statuses=["queued"], to="running")
    return start_worker(store, run_id, "cpu")


def wait(what, seconds=240):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_a_run_whose_machine_dies_goes_on_on_another_as_if_nothing_had_been(
    node, store, configure, tmp_path
):
    straight, broken = (store.runs.create(configure(updates=8)) for _ in range(2))
    child = begin(store, broken.id)
    listed = tmp_path / "bucket/team/runs" / broken.id / "manifest.json"
    wait(lambda: listed.exists() and "step-000002/state.json" in listed.read_text())
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert worker.execute(straight.id, store) == "finished"

    node(2)
    assert not workspace().exists()
    store.runs.change(broken.id, status="interrupted")
    control.resume(store, broken.id)
    child = begin(store, broken.id)
    wait(lambda: store.runs.get(broken.id).status not in ("queued", "running"))
    assert store.runs.get(broken.id).status == "finished", store.runs.get(broken.id).error
    child.wait()
    home.mirror(run_folder(straight.id))
    assert_told_alike(store, broken.id, straight.id)

    # A third, on which somebody looks.
    node(3)
    run = store.runs.get(broken.id)
    assert run.config["models"]["policy"] == str(workspace() / "models" / "tiny")
    assert worker_log(run).count("with 1 threads") == 2, "of both machines"
    kept = kept_policies(configure(), run_folder(run.id))
    assert max(kept) == 8
    assert not any(run_folder(run.id).rglob("*.safetensors"))
    worker.export(run.id, tmp_path / "out", store)
    (policy,) = run_folder(run.id).rglob("*.safetensors")
    assert policy.parent == Path(kept[8])
    backup.backup(tmp_path / "all.tar")
    housekeeping.delete(store, straight.id)
    housekeeping.erase(store, straight.id)
    assert home.names_of("runs") == [broken.id]


def test_a_backup_of_an_object_store_is_restored_into_a_folder(
    store, configure, tmp_path, monkeypatch
):
    run = store.runs.create(configure())
    backup.backup(tmp_path / "all.tar")
    with pytest.raises(RunError, match="set it to a new folder"):
        backup.restore(tmp_path / "all.tar")
    monkeypatch.setenv("DRPO_HOME", str(tmp_path / "folder"))
    monkeypatch.delenv("DRPO_DATABASE_URL")
    backup.restore(tmp_path / "all.tar")
    restored = Store()
    assert preflight.check(configure_of(restored, run.id), restored) is None
    restored.close()


def configure_of(store, run_id):
    from drpo.config.run_config import RunConfig

    config = RunConfig.from_nested(store.runs.get(run_id).config)
    assert config.models.policy == str(workspace() / "models" / "tiny")
    return config


def test_a_worker_whose_run_was_given_to_another_puts_nothing(store, configure):
    run = store.runs.create(configure())
    store.runs.change(run.id, job="first")
    folder = run_folder(run.id)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert publishing.is_mine(store, run, "first")
    assert not publishing.is_mine(store, run, None), "no worker has begun here"
    store.runs.change(run.id, job="second")
    mine = publishing.Publisher(folder, lambda: publishing.is_mine(store, run, "first"), print)
    mine.start()
    mine.close(30)
    assert not home.exists(folder)
    assert list(folder.glob(".publish*")) == []


def test_what_is_saved_while_the_object_store_is_away_is_put_when_it_is_back(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", f"file://{tmp_path}/bucket")
    monkeypatch.setenv("DRPO_CACHE", str(tmp_path / "node"))
    monkeypatch.setattr(publishing, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(publishing, "TOLD_FROM", 0.0)
    folder, in_the_way = run_folder("r"), tmp_path / "bucket" / "runs"
    for needed in (folder, in_the_way.parent):
        needed.mkdir(parents=True)
    in_the_way.write_text("a file, so nothing can be put below")
    (folder / "config.json").write_text("first")
    late = publishing.Publisher(folder, lambda: True, print)
    late.start()
    with pytest.raises(FilesAwayError, match="resume the run there"):
        late.close(0.3)
    told = []
    mine = publishing.Publisher(folder, lambda: True, lambda _said, facts: told.append(facts))
    mine.start()
    for text in ("second", "third"):
        (folder / "config.json").unlink()
        (folder / "config.json").write_text(text)
        mine.saved()
        time.sleep(0.2)
    in_the_way.unlink()
    mine.close(30)
    assert [facts["how"] for facts in told] == ["files_away"]
    monkeypatch.setenv("DRPO_CACHE", str(tmp_path / "other"))
    home.mirror(run_folder("r"))
    assert (run_folder("r") / "config.json").read_text() == "third"
    assert list(folder.glob(".publish*")) == []


def test_an_order_reaches_a_node_by_the_object_store_and_goes(node, store, configure, monkeypatch):
    # The order's environment becomes this process's: of a copy, lest other tests have it.
    monkeypatch.setattr(os, "environ", dict(os.environ))
    run = store.runs.create(configure())
    order = write_order(store, run, "job")
    assert order == f"{home.home_url()}/runs/{run.id}/{ORDER}"
    assert not (run_folder(run.id) / ORDER).exists()
    node(2)
    began = []
    monkeypatch.setattr(os, "execv", lambda _python, words: began.append(words[-1]))
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.delenv("DRPO_HOME")
    become_worker(order, "another")
    assert began == []
    monkeypatch.delenv("DRPO_HOME")
    become_worker(order, "job")
    assert began == [run.id]
    assert os.environ["DRPO_JOB"] == "job"
    assert home.read_file(run_folder(run.id) / ORDER) is None


def test_one_supervisor_acts_of_those_that_share_a_store_alone(node, store):
    first = Supervisor(store)
    assert first.acting()
    node(2)
    other = Store()
    second = Supervisor(other)
    assert not second.acting()
    assert second.lock.holder() == 0
    first.stop()
    assert second.acting()
    second.stop()
    other.close()


def test_slurm_is_refused_without_a_folder_for_its_own_files(store, configure, monkeypatch):
    pytest.importorskip("submitit")
    with pytest.raises(ConfigError, match="DRPO_SLURM_FOLDER"):
        preflight.check(configure(executor="slurm"), store)
    monkeypatch.setenv("DRPO_SLURM_FOLDER", "/shared")
    preflight.check(configure(executor="slurm"), store)
