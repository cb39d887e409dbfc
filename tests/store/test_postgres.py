"""Everything that the store promises, on PostgreSQL; and a run that keeps its figures there."""

import pytest
from postgres_server import database, server
from runs import small_config
from test_store import *  # noqa: F403 - the same claims of another database

from drpo.runs import worker
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
    assert worker.execute(run.id, store) == "finished"
    assert store.runs.get(run.id).step == 4
    assert store.samples.steps(run.id) == [0, 2, 4]
    assert {"objective/kl", "eval/scores"} <= set(store.metrics.names(run.id))
    assert not (tmp_path / "drpo.sqlite").exists()
