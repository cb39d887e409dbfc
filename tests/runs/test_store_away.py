"""Training goes on while the store is away, and every write is made once."""

import signal
import sqlite3
import threading
import time
from contextlib import contextmanager

import pytest
from runs import small_config, wait_until
from sqlalchemy.exc import OperationalError
from told import assert_told_alike, told

from drpo.executors.process import start_worker
from drpo.runs import outbox, store_observer, worker
from drpo.runs.outbox import Outbox
from drpo.runs.store_writes import makers
from drpo.store import Store, run_folder
from drpo.system import control
from drpo.types import Sample


@pytest.fixture
def configure(tmp_path, model_folder, reward_folder):
    def make(**settings):
        settings = {"updates": 15, "eval_every": 5, "checkpoint_every": 5, **settings}
        return small_config(tmp_path, model_folder(), reward_folder, **settings)

    return make


@contextmanager
def locked(tmp_path):
    """Hold the database as a backup or a stuck process does: nobody else can write."""
    holder = sqlite3.connect(tmp_path / "drpo.sqlite", isolation_level=None, timeout=10)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def test_a_locked_database_holds_nothing_up_and_loses_nothing(
    store, configure, tmp_path, monkeypatch
):
    monkeypatch.setattr(store_observer, "TOLD_FROM", 0.5)
    straight, held = store.runs.create(configure()), store.runs.create(configure())
    worker.execute(straight.id, store)
    mine = Store(store.url, busy_seconds=0.1)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(worker.execute(held.id, mine)))
    thread.start()
    wait_until(store, held.id, lambda run: run.step >= 2)
    with locked(tmp_path):
        # Written beside the database, so that it can be seen how far training is.
        newest = run_folder(held.id) / "checkpoints" / "step-000015"
        deadline = time.monotonic() + 120
        while not newest.is_dir() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert newest.is_dir(), "training waited for the database"
        assert store.runs.get(held.id).step < 15
    thread.join()
    mine.close()
    assert ended == ["finished"]
    assert_told_alike(store, held.id, straight.id)
    (note,) = store.events.since(held.id, kinds=("note",))
    assert note.payload["how"] == "store_away"
    assert note.payload["writes"] > 20
    assert "lost_writes" not in store.runs.get(held.id).summary


@pytest.mark.slow
def test_a_worker_killed_while_the_database_was_locked_has_lost_nothing(store, configure, tmp_path):
    config = configure(updates=60)
    straight, broken = store.runs.create(config), store.runs.create(config)
    worker.execute(straight.id, store)
    store.runs.move(broken.id, from_statuses=["queued"], to="running")
    child = start_worker(store, broken.id, "cpu")
    run = wait_until(store, broken.id, lambda run: run.step >= 2)
    with locked(tmp_path):
        reached = run_folder(broken.id) / "checkpoints" / f"step-{run.step // 5 * 5 + 10:06d}"
        while not reached.is_dir() and child.poll() is None:
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert reached.is_dir()
    assert store.runs.get(broken.id).step < int(reached.name[-6:])
    store.runs.change(broken.id, status="interrupted")
    control.resume(store, broken.id)
    assert worker.execute(broken.id, store) == "finished"
    assert_told_alike(store, broken.id, straight.id)


def test_a_run_killed_before_it_told_of_its_checkpoint_tells_of_it_once(store, configure):
    config = configure(updates=6, checkpoint_every=3, alarm_kl_budget=1e-6)
    straight, broken = store.runs.create(config), store.runs.create(config)
    worker.execute(straight.id, store)
    worker.execute(broken.id, store)
    for event in store.events.since(broken.id, kinds=("checkpoint",)):
        if event.step == 6:
            store.events.remove(event.id)
    store.runs.change(broken.id, status="interrupted")
    control.resume(store, broken.id)
    assert worker.execute(broken.id, store) == "finished"
    assert told(store, straight.id)["events"] == told(store, broken.id)["events"]
    assert any(kind == "alarm" for _, kind, _ in told(store, straight.id)["events"])


def sample(step, item):
    return Sample(step, "episode", item, "prompt", "a", "b")


def test_what_came_through_although_the_connection_broke_is_not_written_twice(
    store, configure, monkeypatch
):
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.0)
    run = store.runs.create(configure())
    broke = OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))
    made = makers(store, run.id, lambda _alarm: None)
    seen = dict.fromkeys(("metrics", "samples", "event"), 0)

    def broken(kind):
        def make(**values):
            made[kind](**values)
            seen[kind] += 1
            if seen[kind] == 1:
                raise broke

        return make

    line = Outbox({kind: broken(kind) for kind in seen}, lambda _seconds, _writes: None)
    for _ in range(2):  # the first goes through at its second try, after the first had its effect
        line.put("metrics", step=1, values={"objective/kl": 1.0, "objective/scores": 2.0})
        line.put("samples", rows=[vars_of(sample(1, item)) for item in range(2)])
        line.put("event", step=1, kind="note", message="m", payload={}, who="", at=5.0)
        assert line.wait(5)
        if seen["event"] == 2:
            break
    assert len(store.metrics.since(run.id)) == 2
    assert len(store.samples.at(run.id, 1, "episode")) == 2
    assert len(store.events.since(run.id)) == 1
    assert line.lost == 0


def vars_of(one):
    return {name: getattr(one, name) for name in Sample.__dataclass_fields__}


def test_what_can_never_be_written_is_counted_and_the_rest_goes_on(store, configure, caplog):
    run = store.runs.create(configure())
    line = Outbox(makers(store, run.id, lambda _alarm: None), lambda _seconds, _writes: None)
    line.put("metrics", step=1, values={"objective/kl": "no number"})
    line.put("metrics", step=2, values={"objective/kl": 1.0})
    assert line.lost == 1
    assert store.metrics.since(run.id)["step"].tolist() == [2]
    assert "a write to the store was lost" in caplog.text
