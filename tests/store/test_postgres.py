"""Everything that the store promises, on PostgreSQL; and a run that keeps its figures there."""

import threading

import pytest
from postgres_server import database, server
from runs import small_config
from sqlalchemy import create_engine, make_url, text
from test_store import *  # noqa: F403 - the same claims of another database
from test_store import config

from drpo.errors import RunError
from drpo.runs import outbox, worker
from drpo.runs.outbox import insist
from drpo.store import Store

__all__ = ["server"]


@pytest.fixture
def store(server, tmp_path, monkeypatch, request):
    """A database of the test's own."""
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    monkeypatch.setenv("DRPO_DATABASE_URL", database(server, request.node.nodeid))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    opened = Store()
    yield opened
    opened.close()


def test_a_run_keeps_its_figures_in_the_database_that_the_environment_names(
    store, tmp_path, model_folder, reward_folder
):
    run = store.runs.create(small_config(tmp_path, model_folder("llama"), reward_folder))
    mine = Store(connections=worker.CONNECTIONS)
    assert worker.execute(run.id, mine) == "finished"
    assert mine.engine.pool.checkedin() == 1
    mine.close()
    assert "lost_writes" not in store.runs.get(run.id).summary
    assert store.runs.get(run.id).step == 4
    assert store.samples.steps(run.id) == [0, 2, 4]
    assert {"objective/kl", "eval/scores"} <= set(store.metrics.names(run.id))
    assert not (tmp_path / "drpo.sqlite").exists()


def test_a_worker_waits_for_a_server_that_takes_no_connection_now(server, store, monkeypatch):
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.1)
    name = make_url(store.url).database
    others = create_engine(server.format(name="postgres"), isolation_level="AUTOCOMMIT")

    def allow(word):
        with others.connect() as connection:
            connection.execute(text(f"alter database {name} allow_connections {word}"))

    allow("false")
    with pytest.raises(RunError, match="not currently accepting connections"):
        Store()
    soon = threading.Timer(0.5, allow, ("true",))
    soon.start()
    insist(lambda: Store(connections=worker.CONNECTIONS)).close()
    soon.join()
    others.dispose()


def test_a_store_of_an_earlier_version_takes_more_rows_than_an_integer_counts(store):
    with store.engine.begin() as connection:
        connection.execute(text("alter table metrics alter column id type integer"))
        connection.execute(text("alter sequence metrics_id_seq as integer"))
        connection.execute(text(f"select setval('metrics_id_seq', {2**31 - 2})"))
    again = Store(store.url)
    run = again.runs.create(config())
    again.metrics.append(run.id, 1, {"a": 1.0, "b": 2.0})
    assert again.metrics.since(run.id, 2**31 - 1)["id"].tolist() == [2**31]
    again.close()
