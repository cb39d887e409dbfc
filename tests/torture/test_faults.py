"""What fails around a run ends in a sentence, the checkpoint whole, and is gone on from."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest
from runs import small_config, wait_until
from test_kills import LONG, begin, live, wait_for
from told import assert_told_alike
from workers import Workers

from drpo.errors import RunError
from drpo.rl import checkpoint_folders
from drpo.runs import worker
from drpo.runs.supervisor import Supervisor
from drpo.store import Store, run_folder
from drpo.system import control

root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="must mount")


@pytest.fixture(scope="module")
def workers():
    made = Workers()
    yield made
    made.close()


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """A workspace on a disk of its own, whose size can be changed."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("may not mount")
    monkeypatch.setenv("DRPO_HOME", str(place / "home"))
    monkeypatch.delenv("DRPO_DATABASE_URL", raising=False)
    store = Store()
    yield store, place
    store.close()
    subprocess.run(["umount", "-l", str(place)], check=False)


@root
@pytest.mark.slow
def test_a_full_disk_is_a_sentence_and_the_run_goes_on_from_a_whole_checkpoint(
    small_disk, tmp_path, model_folder, reward_folder
):
    store, place = small_disk
    settings = {"updates": 10, "eval_every": 5, "checkpoint_every": 1}
    config = small_config(tmp_path, model_folder(), reward_folder, **settings)
    straight, held = store.runs.create(config), store.runs.create(config)
    assert worker.execute(straight.id, store) == "finished"
    directory = run_folder(held.id) / "checkpoints"
    filler = place / "filler"
    original = checkpoint_folders.thin

    def fill(folder, **options):
        original(folder, **options)
        if folder == directory and (folder / "step-000004").is_dir() and not filler.exists():
            with filler.open("wb") as file:
                try:
                    while True:
                        file.write(b"\0" * 4096)
                        file.flush()
                except OSError:
                    pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drpo.rl.checkpoint.thin", fill)
        patch.setattr("drpo.runs.store_observer.END_PATIENCE", 0.5)
        patch.setattr("drpo.runs.worker.END_PATIENCE", 0.5)
        assert worker.execute(held.id, store) == "failed"
    sound = checkpoint_folders.newest_sound(directory)
    assert sound.folder.name >= "step-000004"
    assert not sound.damaged
    filler.unlink()
    run = store.runs.get(held.id)
    if run.status == "failed":  # not written where the database had no room for it either
        assert "The disk is full" in run.error
    store.runs.change(held.id, status="interrupted")
    control.resume(store, held.id)
    assert worker.execute(held.id, store) == "finished"
    assert_told_alike(store, held.id, straight.id)


@pytest.mark.skipif(not LONG, reason="make torture")
@pytest.mark.slow
def test_a_worker_that_was_halted_goes_on_as_if_nothing_had_been(
    store, workers, tmp_path, model_folder, reward_folder
):
    config = small_config(tmp_path, model_folder(), reward_folder, updates=12)
    straight, held = store.runs.create(config), store.runs.create(config)
    live(store, workers, straight.id)
    pid = begin(store, workers, held.id)
    wait_until(store, held.id, lambda run: run.step >= 2)
    supervisor = Supervisor(store)
    os.kill(pid, signal.SIGSTOP)
    for _ in range(10):
        supervisor.tick()
        time.sleep(0.1)
    assert store.runs.get(held.id).status == "running", "a laptop's sleep is no death"
    os.kill(pid, signal.SIGCONT)
    assert wait_for(pid, 120)
    supervisor.stop()
    assert store.runs.get(held.id).status == "finished"
    assert_told_alike(store, held.id, straight.id)


@pytest.mark.skipif(not LONG, reason="make torture")
@pytest.mark.slow
def test_a_database_locked_for_a_minute_loses_nothing(
    store, workers, tmp_path, model_folder, reward_folder
):
    # Whether it is in the middle then or at its end, where it waits, hangs on the machine.
    settings = {"updates": 200, "eval_every": 50, "checkpoint_every": 5}
    config = small_config(tmp_path, model_folder(), reward_folder, **settings)
    straight, held = store.runs.create(config), store.runs.create(config)
    pid = begin(store, workers, held.id)
    run = wait_until(store, held.id, lambda run: run.step >= 5)
    holder = sqlite3.connect(tmp_path / "drpo.sqlite", isolation_level=None, timeout=10)
    holder.execute("BEGIN IMMEDIATE")
    time.sleep(60)
    kept = checkpoint_folders.newest_sound(run_folder(held.id) / "checkpoints")
    holder.execute("ROLLBACK")
    holder.close()
    assert int(kept.folder.name[-6:]) > run.step + 20, "training waited"
    assert wait_for(pid, 600)
    assert store.runs.get(held.id).status == "finished"
    (note,) = store.events.since(held.id, kinds=("note",))
    assert note.payload["how"] == "store_away"
    assert note.payload["seconds"] >= 50
    live(store, workers, straight.id)
    assert_told_alike(store, held.id, straight.id)


@pytest.mark.skipif(not LONG, reason="make torture")
@pytest.mark.slow
def test_a_run_whose_folder_was_deleted_begins_anew(
    store, workers, tmp_path, model_folder, reward_folder
):

    config = small_config(tmp_path, model_folder(), reward_folder, updates=4)
    straight, lost = store.runs.create(config), store.runs.create(config)
    live(store, workers, straight.id)
    live(store, workers, lost.id)
    shutil.rmtree(run_folder(lost.id))
    store.runs.change(lost.id, status="interrupted")
    control.resume(store, lost.id)
    live(store, workers, lost.id)
    assert_told_alike(store, lost.id, straight.id)


def test_a_truncated_database_is_a_sentence(store, tmp_path):
    store.close()
    file = tmp_path / "drpo.sqlite"
    for side in ("-wal", "-shm"):
        file.with_name(file.name + side).unlink(missing_ok=True)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(RunError, match="cannot be opened"):
        Store(f"sqlite:///{file}")
