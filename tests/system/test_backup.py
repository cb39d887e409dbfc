"""The workspace in one file while runs go on, and back to where the straight run ends."""

import json
import os
import tarfile

import pytest
from runs import small_config, wait_until

from drpo.cli import main
from drpo.errors import RunError
from drpo.executors.process import start_worker
from drpo.runs import worker
from drpo.store import Store, run_folder
from drpo.system import backup, control


@pytest.fixture
def new_home(tmp_path, monkeypatch):
    def move():
        home = tmp_path / "new"
        monkeypatch.setenv("DRPO_HOME", str(home))
        return home

    return move


@pytest.mark.slow
def test_a_run_that_was_backed_up_in_the_middle_ends_where_the_straight_one_does(
    store, tmp_path, tmp_path_factory, model_folder, reward_folder, new_home
):
    settings = {"updates": 25, "eval_every": 5, "checkpoint_every": 2}
    made = small_config(tmp_path, model_folder(), reward_folder, **settings)
    straight, live = store.runs.create(made), store.runs.create(made)
    assert worker.execute(straight.id, store) == "finished"
    store.runs.move(live.id, from_statuses=["queued"], to="running")
    child = start_worker(store, live.id, "cpu")
    wait_until(store, live.id, lambda run: run.step >= 5)
    file = tmp_path_factory.mktemp("safe") / "all.tar"
    assert backup.backup(file).runs == 2
    assert child.poll() is None, "it went on meanwhile"
    child.kill()
    child.wait()
    new_home()
    assert backup.restore(file).runs == 2
    restored = Store()
    run = restored.runs.get(live.id)
    assert run.status == "interrupted"
    assert restored.runs.get(straight.id).status == "finished"
    control.resume(restored, live.id)
    assert worker.execute(live.id, restored) == "finished"
    frames = [restored.metrics.since(one.id) for one in (straight, live)]
    kept = [f[~f["name"].str.contains("timing|^eps$")].iloc[:, 1:] for f in frames]
    ordered = [f.sort_values(["step", "name"]).reset_index(drop=True) for f in kept]
    assert ordered[0].equals(ordered[1])
    for one in (straight, live):
        worker.export(one.id, tmp_path / one.id, restored)
    weights = [(tmp_path / one.id / "model.safetensors").read_bytes() for one in (straight, live)]
    assert weights[0] == weights[1]
    restored.close()


@pytest.fixture
def small(store, tmp_path):  # noqa: ARG001 - a workspace
    """A workspace of a file or two, and its backup."""
    folder = run_folder("r")
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "worker.lock").touch()
    (folder / "config.json").write_text('{"a": 1}')
    file = tmp_path.parent / f"{tmp_path.name}.tar"
    backup.backup(file)
    return file


def test_what_was_altered_in_a_backup_is_named_and_nothing_is_restored(small, new_home):
    content = small.read_bytes().replace(b'{"a": 1}', b'{"a": 2}')
    small.write_bytes(content)
    home = new_home()
    with pytest.raises(RunError, match=r"config\.json is not what was written.*Nothing"):
        backup.restore(small)
    assert not home.exists()


def test_a_backup_that_is_cut_off_or_none_is_a_sentence(small, new_home, tmp_path):
    home = new_home()
    small.write_bytes(small.read_bytes()[:2000])
    with pytest.raises(RunError, match="no backup of drpo, or cut off"):
        backup.restore(small)
    other = tmp_path / "other.tar"
    other.write_bytes(b"nothing of ours")
    with pytest.raises(RunError, match="no backup of drpo"):
        backup.restore(other)
    assert not home.exists()


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "link/outside"])
def test_a_backup_of_somebody_elses_writes_nothing_outside(name, tmp_path, new_home):
    file = tmp_path / "evil.tar"
    manifest = {"format": 1, "schema": 1, "created_at": 0, "runs": 0, "sha256": {name: "x"}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(file, "w") as archive:
        archive.add(tmp_path / "manifest.json", "manifest.json")
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/tmp"
        archive.addfile(link)
        archive.add(tmp_path / "manifest.json", name)
    home = new_home()
    with pytest.raises(RunError):
        backup.restore(file)
    assert not home.exists()
    assert not os.path.lexists(tmp_path / "outside")
    assert not os.path.lexists("/tmp/outside")


def test_a_workspace_with_something_in_it_is_never_written_over(small):
    with pytest.raises(RunError, match="is not empty"):
        backup.restore(small)
    with pytest.raises(RunError, match="exists already"):
        backup.backup(small)


def test_the_commands_say_what_they_did(small, new_home, capsys):
    def said(*words):
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        assert ended.value.code == 0
        return capsys.readouterr().out

    assert "0 runs" in said("backup", str(small.with_suffix(".2")))
    new_home()
    assert "0 runs" in said("restore", str(small))
    assert [path.name for path in run_folder("r").iterdir()] == ["checkpoints", "config.json"][1:]
