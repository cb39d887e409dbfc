"""A run's metrics and samples in TensorBoard and MLflow, read back by their own libraries."""

import json
import socket

import pytest
from runs import small_config

from drpo.errors import ConfigError
from drpo.runs import worker
from drpo.trackers.installed import TRACKERS, check_installed
from drpo.trackers.relay import Relay
from drpo.trackers.tracker import About
from drpo.types import Sample

# Of the trackers' own libraries; a run's worker turns no warning into an error.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def mlflow_at(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    names = read.Tags()["scalars"]
    return {name: [(one.step, one.value) for one in read.Scalars(name)] for name in names}, read


def mlflow_run(place, run_id):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{place / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("drpo")
    found = client.search_runs([experiment.experiment_id], f"tags.`drpo.run` = '{run_id}'")
    return client, found


def told(place, step, *updates):
    about = About("run-1", "run", {"kl_coef": 0.1}, place / "runs" / "run-1", place, step)
    relay = Relay(("tensorboard", "mlflow"), about)
    for update in updates:
        relay.metrics(update, {"objective/kl": update / 2})
    heldout = Sample(step=2, kind="heldout", item=0, start="prompt", prompt="# p", response="<b>")
    relay.samples([heldout])
    relay.event(2, "setting", "kl_coef is now 0.2")
    relay.close()


def test_both_hold_what_they_were_told_and_a_resumed_run_goes_on_in_the_same_one(mlflow_at):
    told(mlflow_at, 0, 1, 2, 3)
    told(mlflow_at, 2, 3, 4)  # 3 lay beyond the checkpoint
    found, read = scalars(mlflow_at / "runs" / "run-1" / "tensorboard")
    assert found == {"objective/kl": [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]}
    text = read.Tensors("samples/heldout/text_summary")[0].tensor_proto.string_val[0].decode()
    assert text.startswith("    {"), "read as Markdown, a model's words would draw"
    client, runs = mlflow_run(mlflow_at, "run-1")
    assert len(runs) == 1
    assert runs[0].data.params == {"kl_coef": "0.1"}
    history = client.get_metric_history(runs[0].info.run_id, "objective/kl")
    assert {one.step: one.value for one in history} == {1: 0.5, 2: 1.0, 3: 1.5, 4: 2.0}
    kept = next(mlflow_at.rglob("heldout-000002.jsonl")).read_text(encoding="utf-8")
    assert json.loads(kept)["prompt"] == "# p"


def test_a_run_reports_what_the_store_holds_and_a_dead_tracker_changes_nothing(
    store, tmp_path, model_folder, reward_folder, monkeypatch
):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed.getsockname()[1]}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    config = small_config(tmp_path, model_folder("llama"), reward_folder)
    run = store.runs.create(config.replace(report_to=("tensorboard", "mlflow")))
    assert worker.execute(run.id, store) == "finished"
    found, _ = scalars(tmp_path / "runs" / run.id / "tensorboard")
    for name in ("objective/kl", "eval/scores"):
        kept = [(step, value) for _, step, _, value in store.metrics.of_runs([run.id], [name])]
        assert kept
        assert [step for step, _ in found[name]] == [step for step, _ in kept]
        assert [value for _, value in found[name]] == pytest.approx([value for _, value in kept])


def test_what_is_unknown_or_not_installed_is_said_before_a_run_begins(monkeypatch):
    with pytest.raises(ConfigError, match=r"names among tensorboard, mlflow.*got tensorbord"):
        check_installed(("tensorbord",))
    monkeypatch.setitem(TRACKERS, "wandb", "no_such_package")
    with pytest.raises(ConfigError, match=r"wandb is not installed here; pip install"):
        check_installed(("tensorboard", "wandb"))
