"""The first thing that a cluster's node runs: it becomes the run's worker.

`python -m drpo.executors.begin ORDER JOB`. An order is a file in the run's folder that only its
owner can read: what the worker needs to know, the database's address among it, is shown by no
cluster's dashboard. The worker takes the place of this process, so that the cluster's signals and
its count of what lives are about the worker itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from drpo.executors.process import worker_environment
from drpo.files import read_json
from drpo.store import Store, run_folder
from drpo.store.schema import Run
from drpo.system import allocator

ORDER = "order.json"
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""By which clusters say that a place is about to be taken away."""
JOB = "DRPO_JOB"
"""The variable that tells a worker the name under which it writes."""


def write_order(store: Store, run: Run, job: str) -> Path:
    """Write down what the worker of a job is to do; returns the file."""
    folder = run_folder(run.id)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ORDER
    path.touch(mode=0o600)
    path.chmod(0o600)
    environment = {**worker_environment(store), JOB: job}
    order = {"run": run.id, "job": job, "environment": environment}
    path.write_text(json.dumps(order), encoding="utf-8")
    return path


def become_worker(path: str, job: str) -> None:
    """Carry an order out; returns only where it is another job's by now."""
    order = read_json(Path(path))
    if order.get("job") != job:
        return
    os.environ.update(order["environment"] | allocator.preload())
    with (Path(path).parent / "worker.log").open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    for name in SIGNALS:
        signal.signal(name, signal.SIG_IGN)  # until the worker listens to them
    os.execv(sys.executable, [sys.executable, "-m", "drpo.runs.worker", order["run"]])


if __name__ == "__main__":
    become_worker(*sys.argv[1:])
