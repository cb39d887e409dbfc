"""A run given to a cluster: it ends, goes on elsewhere when its node is lost, and is done once.

The cluster is submitit's local one: jobs in processes of this machine, otherwise as Slurm's.
"""

import json
import os
import signal
import time

import pytest
from runs import small_config, wait_until
from told import assert_told_alike

from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError, RunError
from drpo.executors import ray_jobs, slurm_jobs
from drpo.executors.begin import ORDER, become_worker
from drpo.executors.interface import Life, Node
from drpo.runs import cluster_watch, preflight, retries, worker
from drpo.runs.supervisor import Supervisor
from drpo.store import Store, run_folder
from drpo.system import control

pytest.importorskip("submitit")


@pytest.fixture
def local(monkeypatch, store):
    """Slurm on this machine, asked often and believed soon."""
    monkeypatch.setenv("DRPO_SLURM_CLUSTER", "local")
    monkeypatch.setenv("DRPO_SLURM_JOBS", "2")
    for name in ("ASK_AFTER", "ASK_EVERY", "NODES_EVERY"):
        monkeypatch.setattr(cluster_watch, name, 0.2)
    monkeypatch.setattr(cluster_watch, "GRACE_SECONDS", 1.0)
    supervisor = Supervisor(store, poll_seconds=0.1)
    supervisor.start()
    yield supervisor
    supervisor.stop()


@pytest.fixture
def configure(tmp_path, model_folder, reward_folder):
    def make(**settings):
        settings = {"executor": "slurm", "checkpoint_every": 1, **settings}
        return small_config(tmp_path, model_folder(), reward_folder, **settings)

    return make


def events(store, run_id):
    return [(event.kind, event.payload.get("how")) for event in store.events.since(run_id)]


@pytest.mark.slow
@pytest.mark.usefixtures("local")
def test_a_run_whose_node_is_lost_goes_on_and_is_the_straight_one(store, configure):
    broken = store.runs.create(configure(updates=12))
    wait_until(store, broken.id, lambda run: run.step >= 3)
    (node,) = store.documents.get(cluster_watch.NODES, "slurm")["nodes"]
    assert Node(**node).places == 2
    lost = store.runs.get(broken.id)
    assert lost.node
    os.kill(lost.pid, signal.SIGKILL)
    straight = store.runs.create(configure(updates=12, executor="process"))
    store.runs.move(straight.id, from_statuses=["queued"], to="running")  # nobody else's
    assert worker.execute(straight.id, store) == "finished"
    wait_until(store, broken.id, lambda run: run.status == "finished")
    told = events(store, broken.id)
    assert told.count(("error", "node_lost")) == told.count(("resume", "retried")) == 1
    assert store.runs.get(broken.id).pid != lost.pid
    assert_told_alike(store, broken.id, straight.id)


@pytest.mark.slow
@pytest.mark.usefixtures("local")
def test_a_place_taken_back_costs_nothing_and_a_persons_stop_is_no_loss(store, configure):
    run = store.runs.create(configure(updates=5000, eval_every=1000, checkpoint_every=10))
    first = wait_until(store, run.id, lambda run: run.step >= 2)
    os.kill(first.pid, signal.SIGUSR2)  # by which Slurm says that the time is nearly up
    wait_until(store, run.id, lambda run: run.status == "running" and run.pid != first.pid)
    assert events(store, run.id)[-2:] == [("error", "place_taken"), ("resume", "retried")]
    wait_until(store, run.id, lambda run: run.pid not in (None, first.pid) and run.step >= 2)
    assert control.kill(store, run.id, "ann")
    deadline = time.monotonic() + 60
    while store.runs.get(run.id).status != "interrupted":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    last = store.events.since(run.id)[-1]
    assert (last.payload["how"], last.who) == ("killed", "ann")
    assert store.runs.get(run.id).job is None


def lost(store, run):
    store.runs.change(run.id, status="running", job="a")
    return retries.try_again(store, store.runs.get(run.id), "Gone.", {"how": "job_forgotten"})


def test_a_run_is_tried_three_times_without_getting_farther(store, configure):
    run = store.runs.create(configure())
    assert [lost(store, run) for _ in range(4)] == [True, True, True, False]
    assert store.events.since(run.id)[-1].payload == {"how": "retries_over", "most": 3}
    store.runs.change(run.id, step=1)
    assert lost(store, run), "it got farther"


def test_a_run_that_was_asked_to_stop_is_not_tried_again(store, configure):
    run = store.runs.create(configure())
    store.runs.change(run.id, status="running")
    control.stop(store, run.id)
    assert not lost(store, run)


def test_what_was_asked_of_a_lost_worker_is_heard_by_the_next(store, configure):
    run = store.runs.create(configure())
    store.runs.change(run.id, status="paused", job="a")
    control.change_settings(store, run.id, {"kl_coef": 0.5})
    retries.try_again(store, store.runs.get(run.id), "Gone.", {})
    assert [command.kind for command in store.commands.pending(run.id)] == ["set", "pause"]


def test_a_worker_that_was_given_up_writes_nothing(store, configure):
    run = store.runs.create(configure())
    store.runs.change(run.id, status="running", job="first")
    theirs, given_up = Store(store.url), []
    theirs.guard(run.id, "first", lambda: given_up.append(True))
    theirs.metrics.append(run.id, 1, {"objective/kl": 1.0})
    store.runs.change(run.id, job="second")
    for write in (
        lambda: theirs.metrics.append(run.id, 2, {"objective/kl": 1.0}),
        lambda: theirs.events.add(run.id, 2, "note", "late"),
        lambda: theirs.runs.change(run.id, step=2),
    ):
        with pytest.raises(RunError, match="given to another worker"):
            write()
    theirs.close()
    assert given_up == [True] * 3
    assert store.metrics.since(run.id)["step"].tolist() == [1]
    assert store.events.since(run.id) == []
    assert store.runs.get(run.id).step == 0


def test_a_job_that_waited_while_its_run_went_to_another_does_not_begin(store, configure):
    run = store.runs.create(configure())
    store.runs.change(run.id, status="running", job="second")
    with pytest.raises(RunError, match="given to another worker than first"):
        worker.execute(run.id, store, job="first")
    assert store.runs.get(run.id).pid is None
    order = run_folder(run.id) / ORDER
    order.parent.mkdir(parents=True)
    order.write_text(json.dumps({"job": "second"}))
    assert become_worker(str(order), "first") is None


def test_a_store_that_was_away_makes_no_worker_silent(store, configure, monkeypatch):
    run = store.runs.create(configure(executor="process"))
    store.runs.change(run.id, status="running", pid=1, host="elsewhere", heartbeat_at=1.0)
    supervisor = Supervisor(store, poll_seconds=0.05, silent_seconds=0.5)
    supervisor.tick()
    away = store.runs.all
    monkeypatch.setattr(store.runs, "all", None)
    supervisor.start()
    time.sleep(0.8)
    monkeypatch.setattr(store.runs, "all", away)
    time.sleep(0.2)
    assert store.runs.get(run.id).status == "running"
    supervisor.stop()


def test_slurms_words_are_read():
    assert slurm_jobs.life_of("PENDING", "").state == "waits"
    assert slurm_jobs.life_of("RUNNING", "n1") == Life("lives", node="n1")
    assert slurm_jobs.life_of("NODE_FAIL", "n1").lost == "node"
    assert slurm_jobs.life_of("TIMEOUT", "n1").lost == "place"
    assert slurm_jobs.life_of("FAILED", "n1") == Life("gone", node="n1")
    listed = "n1|2/6/0/8|mixed\nn1|2/6/0/8|mixed\nn2|0/8/0/8|down*\n"
    assert slurm_jobs.read_sinfo(listed) == [("n1", True, 6, 8), ("n2", False, 8, 8)]


def test_rays_words_are_read():
    died, own = "JOB_SUPERVISOR_ACTOR_DIED", "RUNTIME_ENV_SETUP_FAILURE"
    assert ray_jobs.life_of("PENDING", None, None, "").state == "waits"
    assert ray_jobs.life_of("RUNNING", None, None, "n1") == Life("lives", node="n1")
    assert ray_jobs.life_of("FAILED", died, None, "n1").lost == "node"
    assert ray_jobs.life_of("FAILED", own, None, "n1") == Life("gone", node="n1")
    assert ray_jobs.life_of("FAILED", None, 1, "n1") == Life("gone", 1, node="n1")
    assert ray_jobs.life_of("SUCCEEDED", None, 0, "n1") == Life("gone", 0, node="n1")


def test_a_cluster_that_cannot_be_used_here_is_refused_before_anything_is_queued(
    store, configure, monkeypatch
):
    with pytest.raises(ConfigError, match="store is a file; expected a PostgreSQL server"):
        preflight.check(configure(), store)
    monkeypatch.setattr("drpo.executors.choice.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"needs the Python package submitit.*drpo\[slurm\]"):
        preflight.check(configure(), store)


def test_the_environment_says_where_runs_go_that_do_not_say_it_themselves(monkeypatch):
    monkeypatch.setenv("DRPO_EXECUTOR", "slurm")
    assert RunConfig.of(data="-", policy="-").run.executor == "slurm"
    assert RunConfig.of(data="-", policy="-", executor="thread").run.executor == "thread"
    monkeypatch.setenv("DRPO_EXECUTOR", "cloud")
    with pytest.raises(ConfigError, match="executor"):
        RunConfig.of(data="-", policy="-")
