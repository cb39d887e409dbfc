"""Workers that do all that a worker does but train: what they say is what a real run said.

Sixty-four trainings on two cores starve one another, and what they cost the store, the supervisor
and a dashboard would drown in that. In these the place of the training is taken by pauses; between
them they say, update by update, the metrics and samples that a real run left in the store. The
worker around that is the real one, a process each: its claim, its beat, its line of writes, its
alarms, its ear for what people ask, and its end.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zlib import crc32

from drpo.config.run_config import RunConfig
from drpo.executors.process import ProcessExecutor, worker_environment
from drpo.runs import worker
from drpo.runs.demo import COMMON, SAMPLES
from drpo.runs.outbox import BUSY_SECONDS
from drpo.runs.run_outcome import Outcome
from drpo.runs.store_observer import StoreObserver
from drpo.store import Store, run_folder
from drpo.store.schema import Run
from drpo.system import processes
from drpo.types import Sample

CONTEXT = multiprocessing.get_context("forkserver")
# What a child imports anew by itself it holds anew: 200 MB a worker instead of a few.
CONTEXT.set_forkserver_preload(["benchmarks.load", "benchmarks.paced_runs", "pandas", "psycopg"])
REAL = "real"
"""How the name of a run begins whose worker trains."""
Update = dict[str, Any]


def settings(**values: Any) -> RunConfig:  # noqa: ANN401 - fields of RunConfig
    """Settings of the sample task."""
    task = {
        "data": str(SAMPLES / "files/tldr.jsonl.gz"),
        "heldout": str(SAMPLES / "files/tldr_heldout.jsonl.gz"),
        "policy": str(SAMPLES / "models/tldr-policy"),
        "reward_source": "gold",
        "method": "ppo",
        "device": "cpu",
        "eval_prompts": 32,
        "sample_prompts": 32,
    }
    return RunConfig.of(**{**COMMON, **task, **values})


def record(store: Store, run_id: str, path: Path) -> list[Update]:
    """Write down what a finished run said, by update."""
    frame = store.metrics.since(run_id)
    fields = Sample.__dataclass_fields__
    said = [
        {
            "metrics": dict(zip(rows["name"], rows["value"], strict=True)),
            "samples": [
                {name: getattr(row, name) for name in fields}
                for kind in ("heldout", "episode")
                for row in store.samples.at(run_id, int(step), kind)
            ],
        }
        for step, rows in frame[frame["step"] > 0].groupby("step")
    ]
    path.write_text(json.dumps(said), encoding="utf-8")
    return said


def paced(recorded: Path, every: float) -> type[ProcessExecutor]:
    """The executor whose workers say what is recorded, an update every so many seconds."""

    class PacedExecutor(ProcessExecutor):
        def __init__(self) -> None:
            super().__init__()
            self._kept: list[BaseProcess] = []

        def start(self, store: Store, run: Run, device: str) -> None:
            if run.name.startswith(REAL):
                super().start(store, run, device)
                return
            child = CONTEXT.Process(
                target=_be_worker,
                args=(run.id, worker_environment(store), recorded, every),
                daemon=True,
            )
            child.start()
            self._kept.append(child)
            started = processes.start_time(child.pid or 0)
            store.runs.change(run.id, pid=child.pid, pid_started=started)

    return PacedExecutor


def _be_worker(run_id: str, environment: dict[str, str], recorded: Path, every: float) -> None:
    os.environ.update(environment)
    folder = run_folder(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "worker.log").open("ab") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    said: list[Update] = json.loads(recorded.read_text(encoding="utf-8"))

    def outcome(
        run: Run, _folder: Path, observer: StoreObserver, *_: object, **__: object
    ) -> Outcome:
        config = RunConfig.from_nested(run.config)
        observer.watch(config.alarms, -1, {})
        # No two of them say something at the same moment because they began at the same one.
        due = time.monotonic() + every * (crc32(run_id.encode()) % 100) / 100
        for step in range(config.ppo.updates):
            if observer.control(step).stop:
                return Outcome("stopped")
            observer.progress("training", step, config.ppo.updates)
            time.sleep(max(0.0, due - time.monotonic()))
            due += every
            say(observer, said[step % len(said)], step + 1)
        return Outcome("finished")

    with patch.object(worker, "_outcome", outcome):
        worker.execute(run_id)


def say(observer: StoreObserver, update: Update, step: int) -> None:
    """Say an update at a step."""
    observer.metrics(step, update["metrics"])
    for kind in ("episode", "heldout"):
        samples = [Sample(**one | {"step": step}) for one in update["samples"]]
        observer.samples([one for one in samples if one.kind == kind])


def write_flat_out(run_ids: list[str], url: str, recorded: Path, seconds: float) -> float:
    """Rows a second that so many processes write which do nothing else."""
    ends = [CONTEXT.Pipe(duplex=False) for _ in run_ids]
    begin = CONTEXT.Barrier(len(run_ids))
    children = [
        CONTEXT.Process(
            target=_write, args=(run_id, url, recorded, seconds, begin, sender), daemon=True
        )
        for run_id, (_, sender) in zip(run_ids, ends, strict=True)
    ]
    for child in children:
        child.start()
    rows = sum(receiver.recv() for receiver, _ in ends)
    for child in children:
        child.join()
    return float(rows) / seconds


def _write(
    run_id: str,
    url: str,
    recorded: Path,
    seconds: float,
    begin: Barrier,
    sender: Connection,
) -> None:
    store = Store(url, busy_seconds=BUSY_SECONDS, connections=1)
    said: list[Update] = json.loads(recorded.read_text(encoding="utf-8"))
    begin.wait()
    until, step, rows = time.monotonic() + seconds, 0, 0
    while time.monotonic() < until:
        update, step = said[step % len(said)], step + 1
        samples = [Sample(**one | {"step": step}) for one in update["samples"]]
        store.metrics.append(run_id, step, update["metrics"])
        store.samples.append(run_id, samples)
        rows += len(update["metrics"]) + len(samples)
    store.close()
    sender.send(rows)
