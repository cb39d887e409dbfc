"""TensorBoard, MLflow, W&B and trackio. Each library is loaded when its tracker is opened."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drpo.trackers.tracker import About, Tracker, row
from drpo.types import Sample, finite

PROJECT = "drpo"


class TensorBoard:
    """Event files below the run's folder: `tensorboard --logdir WORKSPACE/runs`."""

    def __init__(self, about: About) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What an interrupted run wrote beyond its checkpoint is not drawn beside what comes now.
        self._writer = SummaryWriter(
            str(about.folder / "tensorboard"), purge_step=about.step + 1 if about.step else None
        )
        self._text("settings", json.dumps(finite(about.settings), indent=1, default=str), 0)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Write scalars."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def samples(self, step: int, kind: str, samples: Sequence[Sample]) -> None:
        """Write answers as text."""
        lines = "\n".join(json.dumps(row(one), ensure_ascii=False) for one in samples)
        self._text(f"samples/{kind}", lines, step)

    def event(self, step: int, kind: str, message: str) -> None:
        """Write a line of text."""
        self._text(f"events/{kind}", message, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

    def _text(self, name: str, text: str, step: int) -> None:
        # TensorBoard reads Markdown; indented, a model's words are code and draw nothing.
        quoted = "\n".join(f"    {line}" for line in text.splitlines())
        self._writer.add_text(name, quoted, step)


class MLflow:
    """A run of the experiment `drpo`, at `MLFLOW_TRACKING_URI` or in the workspace's mlflow.db."""

    def __init__(self, about: About) -> None:
        # It would tell its makers what it is used for; nothing leaves this machine unasked.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        about.shared.mkdir(parents=True, exist_ok=True)
        local = f"sqlite:///{about.shared / 'mlflow.db'}"
        at = os.environ.get("MLFLOW_TRACKING_URI")
        self._client = MlflowClient(tracking_uri=at or local)
        known = self._client.get_experiment_by_name(PROJECT)
        place = None if at else (about.shared / "mlruns").as_uri()
        experiment = (
            known.experiment_id
            if known
            else self._client.create_experiment(PROJECT, artifact_location=place)
        )
        earlier = self._client.search_runs([experiment], f"tags.`drpo.run` = '{about.id}'")
        if earlier:
            self._run = earlier[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
            return
        made = self._client.create_run(experiment, run_name=about.name, tags={"drpo.run": about.id})
        self._run = made.info.run_id
        for name, value in about.settings.items():
            self._client.log_param(self._run, name, str(value)[:500])

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log one batch."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        batch = [Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=batch)

    def samples(self, step: int, kind: str, samples: Sequence[Sample]) -> None:
        """Log answers as a file of JSON lines."""
        lines = "".join(f"{json.dumps(row(one), ensure_ascii=False)}\n" for one in samples)
        self._client.log_text(self._run, lines, f"samples/{kind}-{step:06d}.jsonl")

    def event(self, step: int, kind: str, message: str) -> None:
        """Keep the last event of each kind as a tag."""
        self._client.set_tag(self._run, f"event.{kind}", f"{step}: {message}"[:500])

    def close(self) -> None:
        """End the run."""
        self._client.set_terminated(self._run)


class Wandb:
    """A W&B run, offline below the run's folder unless `WANDB_MODE` says; `wandb sync` sends it."""

    def __init__(self, about: About) -> None:
        import wandb

        self._wandb = wandb
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=about.id,
            name=about.name,
            config=dict(about.settings),
            dir=str(about.folder),
            resume="allow",
            mode=None if "WANDB_MODE" in os.environ else "offline",
        )
        # Drawn over updates: its own steps only ever grow, ours begin again after a resume.
        self._run.define_metric("*", step_metric="update")

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log one row."""
        self._run.log({"update": step, **values})

    def samples(self, step: int, kind: str, samples: Sequence[Sample]) -> None:
        """Log answers as a table."""
        rows = [row(one) for one in samples]
        table = self._wandb.Table(columns=list(rows[0]), data=[list(one.values()) for one in rows])
        self._run.log({"update": step, f"samples/{kind}": table})

    def event(self, step: int, kind: str, message: str) -> None:
        """Keep the last event of each kind in the summary."""
        self._run.summary[f"event/{kind}"] = f"{step}: {message}"

    def close(self) -> None:
        """End the run."""
        self._run.finish()


class Trackio:
    """A trackio run of the project `drpo`, on this machine: `trackio show --project drpo`."""

    def __init__(self, about: About) -> None:
        import trackio

        self._trackio = trackio
        self._run = trackio.init(
            project=PROJECT, name=about.id, config=dict(about.settings), resume="allow", embed=False
        )

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log one row."""
        self._run.log(dict(values), step=step)

    def samples(self, step: int, kind: str, samples: Sequence[Sample]) -> None:
        """Log answers as a table."""
        import pandas as pd

        frame = pd.DataFrame([row(one) for one in samples])
        self._run.log({f"samples/{kind}": self._trackio.Table(dataframe=frame)}, step=step)

    def event(self, step: int, kind: str, message: str) -> None:
        """Log an alert."""
        self._run.log({f"event/{kind}": message}, step=step)

    def close(self) -> None:
        """End the run."""
        self._run.finish()


OPEN: dict[str, Callable[[About], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": Wandb,
    "trackio": Trackio,
}


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as every tracker takes them: numbers, texts, and lists as text."""
    return {
        name: value if isinstance(value, bool | int | float | str) else str(value)
        for name, value in settings.items()
        if value is not None
    }
