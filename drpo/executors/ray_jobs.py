"""Each run in a job of a Ray cluster.

Ray knows its jobs only as long as its head lives, and leaves retries to whoever submits. Both suit
what is here: a run's state is in the store, and a job that Ray lost is submitted anew, from the
run's last checkpoint.

`DRPO_RAY_ADDRESS` is the head's dashboard; `DRPO_CPUS_PER_RUN` what a run reserves beside its GPU;
`DRPO_RAY_RUNTIME_ENV` a JSON object that becomes the job's runtime_env; `DRPO_RAY_PYTHON` the
Python of the nodes.
"""

from __future__ import annotations

import os
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeVar

from drpo.errors import first_line
from drpo.executors.begin import write_order
from drpo.executors.cluster import ClusterExecutor, devices_of, number_of, object_of
from drpo.executors.interface import WAITS, ExecutorAwayError, Life, Node
from drpo.store import Store, run_folder
from drpo.store.schema import Run

Answer = TypeVar("Answer")

ADDRESS = "http://127.0.0.1:8265"
PATIENCE = 5.0
"""Seconds that a head may take to answer; the supervisor has other runs to look after."""
FRESH_SECONDS = 2.0
OWN_FAULT = (
    "RUNTIME_ENV_SETUP_FAILURE",
    "JOB_ENTRYPOINT_COMMAND_START_ERROR",
    "JOB_ENTRYPOINT_COMMAND_ERROR",
)
"""What fails on every node alike. Of what else Ray says, its node or Ray's part of it was lost."""
NO_PLACE = ("JOB_SUPERVISOR_ACTOR_START_TIMEOUT", "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE")


class NoAnswerError(ExecutorAwayError):
    """A head was asked and has not answered yet; what was asked for may still be done."""


class RayExecutor(ClusterExecutor):
    """Jobs of Ray, by its Jobs API alone: this process never joins the cluster."""

    name = "ray"

    def __init__(self) -> None:
        self._address = os.environ.get("DRPO_RAY_ADDRESS") or ADDRESS
        self._cpus = number_of("DRPO_CPUS_PER_RUN", 1)
        self._runtime_env = object_of("DRPO_RAY_RUNTIME_ENV")
        self._python = os.environ.get("DRPO_RAY_PYTHON") or "python"
        self._client: Any = None
        self._asking: threading.Thread | None = None
        self._listed: tuple[float, list[Any]] = (-FRESH_SECONDS, [])

    def nodes(self, live: Sequence[Run]) -> list[Node]:
        """Ray's nodes that have something to compute with, and those it lost since its start."""
        found: dict[tuple[str, str], Node] = {}
        for node in sorted(self._nodes(), key=lambda node: node.state == "ALIVE"):
            lives = node.state == "ALIVE"
            if not lives and "Expected termination" in (node.state_message or ""):
                continue  # its owner shut it down
            for device, places in self._places(node.resources_total).items():
                mine = [run for run in self.mine(live, device) if run.node == node.node_name]
                used = sum(map(devices_of, mine))
                free = max(0, places - used) if lives else 0
                found[node.node_name, device] = Node(node.node_name, device, places, free, lives)
            if not lives:  # what it had is not said any more
                found[node.node_name, "cpu"] = Node(node.node_name, "cpu", 0, 0, lives=False)
        return list(found.values())

    def start(self, store: Store, run: Run, device: str) -> None:
        """Submit a job whose entry point becomes the run's worker."""
        job = f"{run.id}-{secrets.token_hex(4)}"
        # Written first: whoever takes over from a supervisor that dies now asks Ray about this job.
        store.runs.change(run.id, job=job)
        order = write_order(store, run, job)
        devices = devices_of(run)
        words = [self._python, "-m", "drpo.executors.begin", order, job]
        # A slow head may take it all the same, which it is asked about afterwards.
        with suppress(NoAnswerError):
            self._ask(
                lambda client: client.submit_job(
                    entrypoint=f"exec {shlex.join(words)}",
                    submission_id=job,
                    runtime_env=self._runtime_env,
                    metadata={"run": run.id},
                    entrypoint_num_cpus=self._cpus * devices,
                    entrypoint_num_gpus=devices if device == "cuda" else 0,
                )
            )

    def alive(self, run: Run) -> Life:
        """What Ray says of the run's job."""
        if run.job is None:
            return WAITS
        job = run.job
        info = self._ask(lambda client: _info(client, job))
        if info is None:
            return Life("gone", lost="job")
        life = life_of(
            str(info.status), info.error_type, info.driver_exit_code, self._name(info, run)
        )
        if life.lost == "node" and any(
            node.node_name == life.node and node.state == "ALIVE" for node in self._nodes()
        ):
            return Life("gone", lost="job", node=life.node)
        if life.state == "gone" and not life.lost:
            self._keep_words(run, info.message)
        return life

    def stop(self, run: Run, *, now: bool) -> bool:
        """Stop the job; Ray gives it three seconds, which is none for saving."""
        if not now or run.job is None:
            return False
        job = run.job
        try:
            return bool(self._ask(lambda client: client.stop_job(job)))
        except ExecutorAwayError:
            return False

    def tidy(self) -> None:
        """Nothing is kept here."""

    def _places(self, resources: dict[str, Any]) -> dict[Literal["cpu", "cuda"], int]:
        cores, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
        by_cores = cores // self._cpus
        found: dict[Literal["cpu", "cuda"], int] = {"cpu": by_cores, "cuda": min(gpus, by_cores)}
        return {device: places for device, places in found.items() if places}

    def _nodes(self) -> list[Any]:
        at, listed = self._listed
        if time.monotonic() - at < FRESH_SECONDS:
            return listed
        from ray.util.state import list_nodes

        listed = self._ask(
            lambda _client: list_nodes(
                address=self._address, limit=1000, timeout=5, raise_on_missing_output=False
            )
        )
        self._listed = (time.monotonic(), listed)
        return listed

    def _name(self, info: Any, run: Run) -> str:  # noqa: ANN401 - Ray's own record
        names = {node.node_id: node.node_name for node in self._nodes()}
        return str(names.get(info.driver_node_id) or run.node or "")

    def _keep_words(self, run: Run, message: str | None) -> None:
        """What ended it before it was a worker stands in no log of its own."""
        with (run_folder(run.id) / "worker.log").open("a", encoding="utf-8") as log:
            log.write(f"Ray: {message}\n")

    def _ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Ask the head in a thread, because Ray's client waits for as long as the network does."""
        if self._asking is not None and self._asking.is_alive():
            raise ExecutorAwayError(f"Ray at {self._address} has not answered for long.")
        answers: list[Answer] = []
        errors: list[Exception] = []

        def ask() -> None:
            try:
                answers.append(question(self._connected()))
            except Exception as error:
                errors.append(error)

        self._asking = threading.Thread(target=ask, name="drpo-ask-ray", daemon=True)
        self._asking.start()
        self._asking.join(PATIENCE)
        if answers:
            return answers[0]
        if not errors:
            raise NoAnswerError(f"Ray at {self._address} gave no answer within {PATIENCE:.0f} s.")
        raise ExecutorAwayError(f"Ray at {self._address} cannot be asked: {first_line(errors[0])}")

    def _connected(self) -> Any:  # noqa: ANN401 - Ray has no types
        from ray.job_submission import JobSubmissionClient

        if self._client is None:
            self._client = JobSubmissionClient(self._address)
        return self._client


def _info(client: Any, job: str) -> Any:  # noqa: ANN401 - Ray's own record
    """What Ray knows of a job; None where that is nothing."""
    try:
        return client.get_job_info(job)
    except RuntimeError as error:
        if "status code 404" in str(error):  # Ray's client tells it in no other way
            return None
        raise


def life_of(status: str, error_type: str | None, exit_status: int | None, node: str) -> Life:
    """Read what Ray says of a job.

    Args:
        status: PENDING, RUNNING, SUCCEEDED, STOPPED or FAILED.
        error_type: Why it failed, in Ray's words.
        exit_status: How its own process ended, if that is known.
        node: Where it is or was.
    """
    if status == "PENDING":
        return WAITS
    if status == "RUNNING":
        return Life("lives", node=node)
    if status == "FAILED" and exit_status is None and error_type not in OWN_FAULT:
        return Life("gone", lost="place" if error_type in NO_PLACE else "node", node=node)
    return Life("gone", 0 if status == "SUCCEEDED" else exit_status, node=node)
