"""A sweep on two Ray nodes and PostgreSQL: a node dies, then the head; every run is done once.

Needs Ray, PostgreSQL and root. `make torture` runs it where they are.
"""

import os
import time
from collections import Counter

import pytest
import ray_machines
from postgres_server import database, server
from runs import small_config
from sqlalchemy import text
from told import assert_told_alike

from drpo.runs import cluster_watch, worker
from drpo.runs.supervisor import Supervisor
from drpo.store import Store
from drpo.sweep import Axis, SweepPlan, create
from drpo.system import processes

__all__ = ["server"]

LONG = os.environ.get("DRPO_TORTURE") == "1"
WHY_NOT = "make torture" if not LONG else ray_machines.cannot()
MINUTES = float(os.environ.get("DRPO_TORTURE_MINUTES", "40"))
UPDATES, CHECKPOINT_EVERY = 240, 5
pytestmark = [pytest.mark.slow, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]


@pytest.fixture
def store(server, tmp_path, monkeypatch, request):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    monkeypatch.setenv("DRPO_DATABASE_URL", database(server, request.node.nodeid))
    monkeypatch.setenv("DRPO_RAY_ADDRESS", ray_machines.ADDRESS)
    monkeypatch.setenv("DRPO_RAY_PYTHON", ray_machines.sys.executable)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    opened = Store()
    yield opened
    opened.close()


@pytest.fixture
def cluster(tmp_path):
    machines = ray_machines.RayMachines(tmp_path)
    yield machines
    machines.close()


def wait(store, seen, machines, seconds=60 * MINUTES):
    """Wait until something is so, the nodes switched on again as systemd would."""
    deadline = time.monotonic() + seconds
    while not seen():
        standing = Counter(run.status for run in store.runs.all())
        assert time.monotonic() < deadline, standing
        assert not standing.keys() & {"failed", "stopped", "interrupted"}, [
            r.error for r in store.runs.all()
        ]
        machines.restart_what_ended()
        time.sleep(1)


def rows_of(store):
    """How often each metric stands in the store for each run and step."""
    query = "select run_id, step, name, count(*) from metrics group by run_id, step, name"
    with store.engine.connect() as connection:
        return {
            (run, step, name): many for run, step, name, many in connection.execute(text(query))
        }


def test_a_sweep_outlives_a_node_and_the_head(
    store, cluster, tmp_path, model_folder, reward_folder, record_property
):
    settings = {"updates": UPDATES, "eval_every": 20, "sample_prompts": 2}
    settings["checkpoint_every"] = CHECKPOINT_EVERY
    config = small_config(
        tmp_path, model_folder(), reward_folder, method="ppo", executor="ray", **settings
    )
    axes = (Axis(name="kl_coef", values=(0.05, 0.1, 0.2)),)
    plan = SweepPlan.of(config, axes=axes, seeds=(0, 1, 2, 3), together=12, early_stop=False)
    sweep_id = create(store, plan, name="two nodes")
    supervisor = Supervisor(store)
    supervisor.start()
    began = time.monotonic()

    def runs():
        return store.runs.all(sweep_id=sweep_id)

    def deep(name):
        """Runs of a node that have saved and are far from their end."""
        return [
            run
            for run in runs()
            if (run.node, run.status) == (name, "running")
            and CHECKPOINT_EVERY < run.step < UPDATES / 2
        ]

    try:
        first, second = cluster.nodes
        wait(store, lambda: len(deep(first.name)) == len(deep(second.name)) == 2, cluster)
        nodes = store.documents.get(cluster_watch.NODES, "ray")["nodes"]
        assert {(node["name"], node["places"]) for node in nodes} == {
            (first.name, 2),
            (second.name, 2),
        }
        victims = [run for run in runs() if run.node == second.name and run.status == "running"]
        saved_before = {run.id: set(saved(store, run.id)) for run in victims}
        second.kill()
        killed = time.monotonic()
        wait(store, lambda: all(retried(store, run.id) for run in victims), cluster)
        record_property("seconds until a lost node's runs are queued", time.monotonic() - killed)
        wait(store, lambda: len(deep(first.name)) == 2 and finished(runs()) >= 4, cluster)
        under_way = [run for run in runs() if run.status == "running"]
        saved_before |= {run.id: set(saved(store, run.id)) for run in under_way}
        cluster.head.kill()
        killed, head_lost_at = time.monotonic(), time.time()
        time.sleep(5)
        cluster.head.start()
        cluster.wait_for_head()
        record_property("seconds until the head is back", time.monotonic() - killed)
        second.start()  # a machine that joins
        done = finished(runs())
        wait(store, lambda: finished(runs()) > done, cluster)
        record_property("seconds until a run ends after that", time.monotonic() - killed)
        wait(store, lambda: finished(runs()) == len(runs()), cluster)
        record_property("seconds from the head's death to the end", time.monotonic() - killed)
    finally:
        supervisor.stop()
    record_property("seconds in all", time.monotonic() - began)
    assert len(runs()) == 12
    rows = rows_of(store)
    assert set(rows.values()) == {1}, "a metric stands twice"
    of_run = Counter(run for run, _, _ in rows)
    assert len(set(of_run.values())) == 1, of_run
    record_property("metric rows", sum(rows.values()))
    record_property("lost at the node's end", len(victims))
    record_property("under way at the head's", len(under_way))
    lost_then = [run for run in under_way if retried(store, run.id, since=head_lost_at)]
    record_property("of them lost", len(lost_then))
    assert all(saved_before.values())
    for run in runs():
        assert "lost_writes" not in run.summary
        kept = saved(store, run.id)
        assert saved_before.get(run.id, set()) <= kept.keys(), "it began anew"
        assert list(kept.values()) == list(range(CHECKPOINT_EVERY, UPDATES + 1, CHECKPOINT_EVERY))
    for run in victims:
        straight = store.runs.create(config.from_nested(run.config).replace(executor="process"))
        assert worker.execute(straight.id, store) == "finished"
        assert_told_alike(store, run.id, straight.id)
    assert not [run for run in runs() if processes.process_lives(run)]


def retried(store, run_id, since=0.0):
    """How often a run went back into the queue by itself."""
    events = store.events.since(run_id, kinds=("resume",))
    return sum(e.payload.get("how") == "retried" and e.created_at > since for e in events)


def saved(store, run_id):
    """Steps of a run's checkpoints, by the events that tell of them; to begin anew erases these."""
    return {event.id: event.step for event in store.events.since(run_id, kinds=("checkpoint",))}


def finished(runs):
    return sum(run.status == "finished" for run in runs)
