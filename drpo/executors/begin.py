"""The first thing that a cluster's node runs: it becomes the run's worker.

`python -m drpo.executors.begin ORDER JOB`. An order is a file in the run's folder that only its
owner can read, or an object of that name where the home is an object store, which goes once it was
read: what the worker needs to know, the database's address among it, is shown by no cluster's
dashboard. The worker takes the place of this process, so that the cluster's signals and
its count of what lives are about the worker itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from drpo import home
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


def write_order(store: Store, run: Run, job: str) -> str:
    """Write down what the worker of a job is to do; returns the file, or the object's URL.

    Raises:
        FilesAwayError: The object store does not take it.
    """
    folder = run_folder(run.id)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ORDER
    environment = {**worker_environment(store), JOB: job}
    order = json.dumps({"run": run.id, "job": job, "environment": environment})
    url = home.home_url()
    if url is not None:
        home.publish_file(path, order.encode())
        return f"{url}/runs/{run.id}/{ORDER}"
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(order, encoding="utf-8")
    return str(path)


def _read_order(place: str, job: str) -> tuple[dict[str, Any], Path]:
    """Read an order, and find the run's folder on this machine."""
    if "://" not in place:
        return read_json(Path(place)), Path(place).parent
    url, run_id = place.removesuffix(f"/{ORDER}").split("/runs/")
    os.environ["DRPO_HOME"] = url
    folder = run_folder(run_id)
    order = json.loads(home.read_file(folder / ORDER) or b"{}")
    if order.get("job") == job:
        home.remove_file(folder / ORDER)
        folder.mkdir(parents=True, exist_ok=True)
        home.fetch_file(folder / "worker.log")
    return order, folder


def become_worker(path: str, job: str) -> None:
    """Carry an order out; returns only where it is another job's by now."""
    order, folder = _read_order(path, job)
    if order.get("job") != job:
        return
    os.environ.update(order["environment"] | allocator.preload())
    with (folder / "worker.log").open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    for name in SIGNALS:
        signal.signal(name, signal.SIG_IGN)  # until the worker listens to them
    os.execv(sys.executable, [sys.executable, "-m", "drpo.runs.worker", order["run"]])


if __name__ == "__main__":
    become_worker(*sys.argv[1:])
