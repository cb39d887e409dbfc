"""A run that was killed and resumed is the straight run, bit for bit."""

import pytest
from runs import small_config, wait_until

from drpo.executors.process import start_worker
from drpo.runs import worker
from drpo.runs.supervisor import Supervisor
from drpo.system import control


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator",
    [
        {"advantage": "gae"},
        {"advantage": "rloo", "group_size": 2, "zero_spread_groups": "resample"},
        {"advantage": "grpo", "group_size": 4, "kl_placement": "loss"},
    ],
    ids=["gae", "rloo", "grpo"],
)
def test_a_killed_and_resumed_run_exports_the_straight_runs_bytes(
    estimator, store, tmp_path, model_folder, reward_folder
):
    made = small_config(
        tmp_path,
        model_folder(),
        reward_folder,
        updates=20,
        eval_every=7,
        checkpoint_every=5,
        reset_schedule="adaptive",
        kl_schedule="adaptive",
        **estimator,
    )
    straight, broken = store.runs.create(made), store.runs.create(made)
    assert worker.execute(straight.id, store) == "finished"
    store.runs.move(broken.id, from_statuses=["queued"], to="running")
    child = start_worker(store, broken.id, "cpu")
    wait_until(store, broken.id, lambda run: run.step >= 7)
    child.kill()
    child.wait()
    assert store.runs.get(broken.id).step < 20, "it finished before it could be killed"
    supervisor = Supervisor(store)
    supervisor.tick()
    assert store.runs.get(broken.id).status == "interrupted"
    supervisor.stop()
    control.resume(store, broken.id)
    assert worker.execute(broken.id, store) == "finished"
    for run in (straight, broken):
        worker.export(run.id, tmp_path / run.id, store)
    files = sorted(path.name for path in (tmp_path / straight.id).iterdir())
    files.remove("drpo_run.json")  # it names the run
    assert "model.safetensors" in files
    for name in files:
        same = (tmp_path / straight.id / name).read_bytes()
        assert (tmp_path / broken.id / name).read_bytes() == same, name
    curves = [
        store.metrics.since(run.id, names=["objective/scores", "eval/kl"])[
            ["step", "name", "value"]
        ]
        for run in (straight, broken)
    ]
    assert curves[0].equals(curves[1])
