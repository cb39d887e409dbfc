"""Everything that the store promises, on PostgreSQL; and a run that keeps its figures there."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from runs import small_config
from sqlalchemy import create_engine, text
from test_store import *  # noqa: F403 - the same claims of another database

from drpo.runs import worker
from drpo.store import Store

INITDB = shutil.which("initdb")
SERVER_USER = "postgres" if os.getuid() == 0 else None
"""PostgreSQL refuses to run as root."""


@pytest.fixture(scope="module")
def server():
    """A server of its own, with nothing in it; yields a database URL without a database."""
    if INITDB is None:
        pytest.skip("needs PostgreSQL's initdb on the PATH")
    folder = Path(tempfile.mkdtemp(prefix="drpo-postgres-"))
    if SERVER_USER:
        shutil.chown(folder, SERVER_USER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    control = Path(INITDB).resolve().with_name("pg_ctl")

    def command(*words):
        subprocess.run(
            list(map(str, words)),
            check=True,
            cwd=folder,
            user=SERVER_USER,
            stdout=subprocess.DEVNULL,
        )

    data = folder / "data"
    command(INITDB, "-D", data, "-A", "trust", "-U", "drpo", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses= -c fsync=off"
    command(control, "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
    yield f"postgresql+psycopg://drpo@/{{name}}?host={folder}&port={port}"
    command(control, "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def store(server, tmp_path, monkeypatch, request):
    """A database of the test's own."""
    name = f"test_{abs(hash(request.node.nodeid)):x}"
    engine = create_engine(server.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    engine.dispose()
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    monkeypatch.setenv("DRPO_DATABASE_URL", server.format(name=name))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    opened = Store()
    yield opened
    opened.close()


def test_a_run_keeps_its_figures_in_the_database_that_the_environment_names(
    store, tmp_path, model_folder, reward_folder
):
    run = store.runs.create(small_config(tmp_path, model_folder("llama"), reward_folder))
    assert worker.execute(run.id, store) == "finished"
    assert store.runs.get(run.id).step == 4
    assert store.samples.steps(run.id) == [0, 2, 4]
    assert {"objective/kl", "eval/scores"} <= set(store.metrics.names(run.id))
    assert not (tmp_path / "drpo.sqlite").exists()
