"""Blocks repeat metric rows: what is read is the same with them and without."""

import pandas as pd
import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from drpo.config.run_config import RunConfig
from drpo.store import metric_blocks
from drpo.store.schema import Metric, MetricBlock


@pytest.fixture
def run(store, monkeypatch):
    """The id of a run with 28 rows, packed in blocks of 8, another run's rows between them."""
    monkeypatch.setattr(metric_blocks, "BLOCK", 8)
    mine, other = (
        store.runs.create(RunConfig.of(data="pairs.jsonl", policy="model")).id for _ in range(2)
    )
    for step in range(14):
        for run in (mine, other):
            store.metrics.append(run, step, {"a": step / 7, f"b{step % 3}": -1e-300 * step})
    return mine


def blocks(store):
    with Session(store.engine) as session:
        return session.scalar(select(func.count()).select_from(MetricBlock))


def test_what_is_read_is_the_same(store, run):
    before = store.metrics.since(run)
    store.metrics.pack(run)
    assert blocks(store) == 3
    pd.testing.assert_frame_equal(store.metrics.since(run), before)
    store.metrics.append(run, 14, {"a": 3.0})
    later = store.metrics.since(run)
    assert list(later["value"][:-1]) == list(before["value"])
    assert later["value"].iloc[-1] == 3.0


def test_packing_again_adds_nothing_until_a_block_is_full(store, run):
    store.metrics.pack(run)
    store.metrics.pack(run)
    assert blocks(store) == 3
    for step in range(14, 16):
        store.metrics.append(run, step, {"a": 0.0, "c": 1.0})
    store.metrics.pack(run)
    assert blocks(store) == 4


def test_rows_that_are_taken_away_are_not_read_from_a_block(store, run):
    store.metrics.pack(run)
    store.metrics.truncate(run, after_step=5)
    assert list(store.metrics.since(run)["step"].unique()) == list(range(6))
    store.metrics.append(run, 6, {"a": 9.0})
    store.metrics.pack(run)
    assert store.metrics.since(run)["value"].iloc[-1] == 9.0


def test_an_earlier_version_may_take_rows_away_and_leave_the_blocks(store, run):
    store.metrics.pack(run)
    with store.engine.begin() as session:
        session.execute(delete(Metric).where(Metric.run_id == run, Metric.step > 5))
    assert list(store.metrics.since(run)["step"].unique()) == list(range(6))


def test_a_runs_blocks_go_with_it(store, run):
    store.metrics.pack(run)
    store.runs.remove(run)
    assert blocks(store) == 0
