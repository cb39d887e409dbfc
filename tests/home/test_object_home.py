"""Folders go to an object store and come back on another machine: whole, no more than is asked for.

In a folder that fsspec reads, and over HTTP from an S3 server.
"""

import json
import socket
import threading
import time

import pytest

from drpo import home
from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError, FilesAwayError, RunError
from drpo.home import holdings
from drpo.home.manifest import FILES, MANIFEST, is_inside
from drpo.home.object_store import ObjectStore
from drpo.store import Store

STEP = "checkpoints/step-000010"
POLICY, STATE = f"{STEP}/policy/model.safetensors", f"{STEP}/state.json"


@pytest.fixture(scope="module")
def s3():
    """An S3 server over HTTP, and its port."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server = moto.ThreadedMotoServer(port=port, verbose=False)
        server.start()
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        yield server
        server.stop()


@pytest.fixture(params=["file", "s3"])
def node(request, tmp_path, monkeypatch):
    """Make this process one of several machines that share a home; returns the workspace there."""
    if request.param == "s3":
        request.getfixturevalue("s3")
        url = f"s3://bucket/{tmp_path.name}"
    else:
        url = f"file://{tmp_path}/bucket/team"
    monkeypatch.setenv("DRPO_HOME", url)
    monkeypatch.setattr(holdings, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(holdings, "LISTED_SECONDS", 0.0)

    def become(number):
        monkeypatch.setenv("DRPO_CACHE", str(tmp_path / f"node-{number}"))
        return home.workspace()

    return become


def run_on(workspace, **files):
    """Write a run's files there."""
    folder = workspace / "runs" / "r"
    for name, content in ({POLICY: "weights", STATE: "{}", "models/sft.json": "1"} | files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def seen(folder):
    """The files of a folder that are no notes of this machine."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in found)
    return {name: (folder / name).read_text() for name in names if is_inside(name)}


def test_another_machine_sees_what_there_is_and_brings_what_it_opens(node):
    first = run_on(node(1))
    (first / "link").symlink_to("/etc/hostname")
    assert home.publish(first)
    other = node(2) / "runs" / "r"
    home.outline(other)
    assert (other / POLICY).parent.is_dir()
    assert seen(other) == {}
    home.fetch((other / POLICY).parent)
    assert seen(other) == {POLICY: "weights"}
    home.mirror(other)
    assert seen(other) == {name: text for name, text in seen(first).items() if name != "link"}
    assert home.names_of("runs") == ["r"]
    home.remove(other)
    assert home.names_of("runs") == []
    assert not home.exists(node(3) / "runs" / "r")


def test_what_a_worker_was_killed_in_the_middle_of_is_not_seen_and_goes(node):
    folder = run_on(node(1))
    home.publish(folder)
    run_on(node(1), **{"checkpoints/step-000020/policy/model.safetensors": "newer"})
    # It uploads, and before the manifest finds the run given to another.
    assert not home.publish(folder, is_mine=lambda: False)
    store = holdings.store_of_home()
    assert any("step-000020" in key for key in store.keys(f"runs/r/{FILES}"))
    other = node(2) / "runs" / "r"
    home.mirror(other)
    assert not (other / "checkpoints/step-000020").exists()
    home.tidy(other)
    assert not any("step-000020" in key for key in store.keys(f"runs/r/{FILES}"))


def test_a_run_that_went_on_elsewhere_is_taken_over_whole_and_ones_own_is_not_put_back(node):
    first = run_on(node(1))
    home.publish(first)
    (first / STATE).unlink()  # thinned, and not put yet
    home.mirror(first)
    assert not (first / STATE).exists()
    second = node(2) / "runs" / "r"
    home.mirror(second)
    (second / POLICY).write_text("later")
    (second / "models/sft.json").unlink()
    home.publish(second)
    node(1)
    (first / "models/other.json").write_text("never put")
    home.mirror(first)
    assert seen(first) == seen(second) == {POLICY: "later", STATE: "{}"}


@pytest.mark.parametrize(
    "name", ["../out", "/tmp/out", "a/../../out", "a//b", "./a", "a\\b", "worker.lock", "a\nb", ""]
)
def test_no_name_from_the_store_leads_out_of_the_cache(node, name):
    folder = node(1) / "runs" / "r"
    entry = ["0" * 64, 1]
    listed = {"format": 1, "generation": "g", "files": {"fine": entry, name: entry}}
    holdings.store_of_home().write(f"runs/r/{MANIFEST}", json.dumps(listed).encode())
    with pytest.raises(RunError, match="Nothing was fetched"):
        home.mirror(folder)
    assert seen(folder) == {}


def test_an_object_that_holds_something_else_than_was_put_is_not_taken(node):
    home.publish(run_on(node(1)))
    store = holdings.store_of_home()
    (key,) = [key for key in store.keys("runs/r") if POLICY in key]
    store.write(key, b"Weights")
    other = node(2) / "runs" / "r"
    with pytest.raises(FilesAwayError, match="does not hold what its manifest says"):
        home.mirror(other)
    assert not (other / POLICY).exists()


def test_a_growing_file_comes_as_it_is_now(node):
    log = run_on(node(1), **{"worker.log": "one\n"}) / "worker.log"
    home.publish_file(log)
    there = node(2) / "runs" / "r" / "worker.log"
    home.fetch_file(there)
    log.write_text("one\ntwo\n")
    node(1)
    home.publish_file(log)
    log.write_text("one\ntwo\nthree\n")
    home.fetch_file(log)
    assert log.read_text() == "one\ntwo\nthree\n", "what was put from here is no news"
    node(2)
    home.fetch_file(there)
    assert there.read_text() == "one\ntwo\n"


def test_a_server_that_is_away_for_a_while_is_waited_for(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", "s3://bucket/away")
    monkeypatch.setenv("DRPO_CACHE", str(tmp_path))
    folder = run_on(home.workspace())
    s3.stop()
    began = time.monotonic()
    with pytest.raises(FilesAwayError, match=r"s3://bucket/away.*cannot be used to read"):
        home.publish(folder, patience=0)
    assert time.monotonic() - began < 20
    back = threading.Timer(2.0, s3.start)
    back.start()
    assert home.publish(folder, patience=60)
    back.join()
    assert home.names_of("runs") == ["r"]


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", "s3://nobody/team")
    monkeypatch.setenv("DRPO_CACHE", str(tmp_path))
    with pytest.raises(FilesAwayError, match=r"s3://nobody/team.*there is no such place"):
        home.publish(run_on(home.workspace()))


def test_paths_into_the_cache_mean_the_same_on_every_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", "s3://bucket/team")
    monkeypatch.setenv("DRPO_CACHE", str(tmp_path / "one"))
    there = str(home.workspace() / "models" / "smollm2")
    config = RunConfig.of(data="/data/pairs.jsonl", policy=there).model_dump(mode="json")
    stored = home.portable(config)
    assert stored["models"]["policy"] == "home:///models/smollm2"
    assert stored["data"]["data"] == "/data/pairs.jsonl"
    assert home.resolved(stored) == config
    monkeypatch.setenv("DRPO_CACHE", str(tmp_path / "two"))
    here = str(home.workspace() / "models" / "smollm2")
    assert here != there
    assert home.resolved(stored)["models"]["policy"] == here
    assert home.rebased(there) == here, "as an adapter of the other machine names it"
    assert home.rebased("owner/model") == "owner/model"
    # Restored from a backup into a folder.
    monkeypatch.setenv("DRPO_HOME", str(tmp_path / "folder"))
    assert home.resolved(stored)["models"]["policy"] == str(tmp_path / "folder/models/smollm2")


@pytest.mark.parametrize("database", [None, "sqlite:////tmp/drpo.sqlite"])
def test_an_object_store_without_a_server_for_runs_is_refused(tmp_path, monkeypatch, database):
    monkeypatch.setenv("DRPO_HOME", "s3://bucket/team")
    monkeypatch.setenv("DRPO_CACHE", str(tmp_path))
    if database:
        monkeypatch.setenv("DRPO_DATABASE_URL", database)
    else:
        monkeypatch.delenv("DRPO_DATABASE_URL", raising=False)
    with pytest.raises(RunError, match="Expected a PostgreSQL server"):
        Store()


def test_a_url_that_nothing_here_opens_is_refused():
    with pytest.raises(ConfigError, match="cannot be opened here"):
        ObjectStore("nowhere://bucket/team")
