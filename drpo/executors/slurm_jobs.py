"""Each run in a job of Slurm, through submitit.

`DRPO_SLURM_JOBS` jobs at most are given to it at once, those that wait there included.
`DRPO_SLURM_PARAMETERS` is a JSON object of what submitit's `update_parameters` takes, as
`{"slurm_partition": "gpu"}`.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drpo.executors.begin import become_worker, write_order
from drpo.executors.cluster import ClusterExecutor, devices_of, number_of, object_of
from drpo.executors.interface import WAITS, ExecutorAwayError, Life, Node
from drpo.files import read_json, write_json
from drpo.home import fetch_file, publish_file
from drpo.store import Store, run_folder, workspace
from drpo.store.schema import Run
from drpo.system import processes

FOLDER = "DRPO_SLURM_FOLDER"
"""The variable that names a folder which all nodes share, for submitit's own files."""
_here: dict[str, Any] = {}
"""Local jobs that this process started, by their number: only it can reap them."""

FILE = "slurm.json"
"""Slurm's number of a run's job, in the run's folder."""
MINUTES = 24 * 60
"""A job's time limit where nobody gives one; a run that needs longer goes on in another job."""
FRESH_SECONDS = 5.0
"""Slurm's controllers ask not to be asked more often."""
LIVE_STATES = ("RUNNING", "COMPLETING")
NODE_STATES = ("NODE_FAIL", "BOOT_FAIL")
PLACE_STATES = ("PREEMPTED", "TIMEOUT", "DEADLINE", "REVOKED")
ENDED_STATES = ("COMPLETED", "FAILED", "CANCELLED", "OUT_OF_MEMORY")


def _folder() -> Path:
    named = os.environ.get(FOLDER)
    return Path(named).resolve() if named else workspace() / "slurm"


class SlurmExecutor(ClusterExecutor):
    """Jobs of Slurm; with `DRPO_SLURM_CLUSTER=local` submitit's processes of this machine."""

    name = "slurm"

    def __init__(self) -> None:
        self._cluster = os.environ.get("DRPO_SLURM_CLUSTER") or "slurm"
        self._most = number_of("DRPO_SLURM_JOBS", 8)
        self._cpus = number_of("DRPO_CPUS_PER_RUN", 1)
        self._parameters = object_of("DRPO_SLURM_PARAMETERS")
        self._looked = -FRESH_SECONDS
        self._listed: tuple[float, list[tuple[str, bool, int, int]]] = (-FRESH_SECONDS, [])

    def nodes(self, live: Sequence[Run]) -> list[Node]:
        """Slurm's nodes. How many jobs go to it at once is not theirs to say: it has a queue."""
        if self._cluster == "local":
            used = sum(run.config["run"]["executor"] == self.name for run in live)
            return [Node(processes.hostname(), "cpu", self._most, max(0, self._most - used))]
        found = []
        for name, lives, idle, cores in self._sinfo():
            places = cores // self._cpus
            found.append(Node(name, "cpu", places, min(places, idle // self._cpus), lives))
        return found

    def free_device(self, config: Any, live: Sequence[Run]) -> str | None:  # noqa: ANN401
        """What a run asks for, as long as Slurm has fewer jobs than it may have."""
        used = sum(run.config["run"]["executor"] == self.name for run in live)
        wanted = config.models.device.partition(":")[0]
        if wanted == "auto":
            wanted = "cuda" if self._parameters.get("gpus_per_node") else "cpu"
        return wanted if used < self._most else None

    def start(self, store: Store, run: Run, device: str) -> None:
        """Submit a job that becomes the run's worker."""
        import submitit

        job = f"{run.id}-{secrets.token_hex(4)}"
        order = write_order(store, run, job)
        store.runs.change(run.id, job=job)
        devices = devices_of(run)
        asked = {"timeout_min": MINUTES, "cpus_per_task": self._cpus * devices}
        asked |= {"gpus_per_node": devices} if device == "cuda" else {}
        asked |= self._parameters
        try:
            submitter = submitit.AutoExecutor(_folder() / "%j", cluster=self._cluster)
            submitter.update_parameters(name=f"drpo-{run.id}", **asked)
            submitted = submitter.submit(become_worker, order, job)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            raise ExecutorAwayError(f"Slurm did not take the job: {error}") from error
        file = run_folder(run.id) / FILE
        write_json(file, {"job": job, "number": submitted.job_id})
        publish_file(file)  # for a supervisor of another machine that takes this one's place
        if self._cluster == "local":
            _here[submitted.job_id] = submitted

    def alive(self, run: Run) -> Life:
        """What Slurm says of the run's job."""
        number = self._number(run)
        if run.job is None:
            return WAITS
        if number is None:
            return Life("gone", lost="job")
        if self._cluster == "local":
            return self._alive_here(run, number)
        return life_of(self._state(number), run.host)

    def stop(self, run: Run, *, now: bool) -> bool:
        """Cancel the job. Slurm has no gentler way that stays without consequence."""
        number = self._number(run)
        if not now or number is None:
            return False
        self._job(number).cancel(check=False)
        return True

    def tidy(self) -> None:
        """Reap local jobs that ended."""
        for number, job in list(_here.items()):
            if job.done():
                del _here[number]

    def _number(self, run: Run) -> str | None:
        file = run_folder(run.id) / FILE
        kept = read_json(file)
        if kept.get("job") != run.job and run.job:
            fetch_file(file)
            kept = read_json(file)
        return str(kept["number"]) if kept.get("job") == run.job and run.job else None

    def _job(self, number: str) -> Any:  # noqa: ANN401 - submitit has no types
        import submitit

        if number in _here:
            return _here[number]
        return submitit.SlurmJob(_folder() / "%j", number)

    def _alive_here(self, run: Run, number: str) -> Life:
        if number in _here:
            lives = not _here[number].done()
        else:  # another process started it, or it was reaped
            lives = processes.process_lives(run) if run.pid else False
        node = run.host or processes.hostname()
        return Life("lives" if lives else "gone", lost="" if lives else "node", node=node)

    def _state(self, number: str) -> str:
        import submitit

        watcher = submitit.SlurmJob.watcher
        self._job(number)  # it is now among those that are asked about together
        if time.monotonic() - self._looked >= FRESH_SECONDS:
            self._looked = time.monotonic()
            try:
                watcher.update()
            except (OSError, subprocess.SubprocessError) as error:
                raise ExecutorAwayError(f"Slurm does not answer: {error}") from error
        return str(watcher.get_state(number, mode="cache")).split(" ")[0]

    def _sinfo(self) -> list[tuple[str, bool, int, int]]:
        """Name, whether it lives, idle cores and all cores of every node."""
        at, listed = self._listed
        if time.monotonic() - at < FRESH_SECONDS:
            return listed
        try:
            done = subprocess.run(
                ["sinfo", "--Node", "--noheader", "--format=%N|%C|%T"],
                capture_output=True,
                text=True,
                timeout=FRESH_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ExecutorAwayError(f"Slurm does not answer: {error}") from error
        listed = read_sinfo(done.stdout)
        self._listed = (time.monotonic(), listed)
        return listed


def life_of(state: str, node: str) -> Life:
    """Read one of Slurm's job states.

    Args:
        state: As sacct gives it; UNKNOWN where it knows nothing yet.
        node: Where the job is, empty while it waits.
    """
    if state in LIVE_STATES:
        return Life("lives", node=node)
    if state in NODE_STATES:
        return Life("gone", lost="node", node=node)
    if state in PLACE_STATES:
        return Life("gone", lost="place", node=node)
    if state in ENDED_STATES:
        return Life("gone", node=node)
    return WAITS


def read_sinfo(listed: str) -> list[tuple[str, bool, int, int]]:
    """Read what sinfo lists, one node a line: name, cores (allocated/idle/other/total), state.

    A node that belongs to several partitions stands there once for each.
    """
    found = {}
    for line in listed.splitlines():
        name, cores, state = (part.strip() for part in line.split("|"))
        _, idle, _, total = map(int, cores.split("/"))
        lives = not state.startswith(("down", "drain", "fail", "unk")) and not state.endswith("*")
        found[name] = (name, lives, idle, total)
    return list(found.values())
