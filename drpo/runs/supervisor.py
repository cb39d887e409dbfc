"""The supervisor: takes queued runs, gives each a device, starts its worker, notices its death.

One thread a dashboard process; of all processes that share a workspace, only the one that holds
`supervisor.lock` acts, the others stand by and take over when it ends. Workers lead sessions of
their own, so neither a closed browser nor a dead dashboard touches them; a new supervisor finds
them in the store. Torch is never imported here: a run's worker is another process, except with
`executor: thread`. `drpo.runs.background_supervisor` supervises without a screen.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import Any

from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError
from drpo.runs.worker_death import memory_end
from drpo.runs.worker_ends import MemoryWatch, StopEscalation, end_of
from drpo.store import Store, run_folder, workspace
from drpo.store.schema import Run
from drpo.system import processes

log = logging.getLogger(__name__)

_children: dict[str, subprocess.Popen[bytes]] = {}
"""Workers that this process started, whichever supervisor did: only their parent can reap them."""
_threads: dict[str, threading.Thread] = {}
"""Runs in threads of this process, whichever supervisor started them."""

POLL_SECONDS = 0.5
SILENT_SECONDS = 300.0
"""A living worker that has not beaten for so long is stuck; ten missed beats may be a busy disk."""
CLAIM_SECONDS = 60.0
"""A claimed run without a pid after this lost its supervisor between claim and start."""


def cpu_slots() -> int:
    """How many CPU runs go on at once: `DRPO_CPU_SLOTS`, by default 2 (a story is two runs)."""
    text = os.environ.get("DRPO_CPU_SLOTS", "")
    return max(1, int(text)) if text.isdigit() else 2


class Supervisor:
    """Carries out the queue in a background thread.

    Args:
        store: Where runs are queued.
        poll_seconds: Pause between two looks at the queue.
        silent_seconds: A worker whose heartbeat stands still for so long is ended.
    """

    def __init__(
        self,
        store: Store,
        *,
        poll_seconds: float = POLL_SECONDS,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self.store = store
        self.poll_seconds = poll_seconds
        self.silent_seconds = silent_seconds
        self.lock = processes.Lock(workspace() / "supervisor.lock")
        self._gpus = processes.gpus()
        self._beats: dict[str, tuple[float | None, float]] = {}
        self._statuses: dict[str, int] = {}
        """How workers ended that this process started, until that is told."""
        self._memory = MemoryWatch()
        self._stops = StopEscalation()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin supervising in a daemon thread; a second call changes nothing."""
        if self._thread is None:
            self._end.clear()
            self._thread = threading.Thread(target=self._loop, name="drpo-supervisor", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop supervising. Workers go on; another supervisor finds them."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.lock.release()

    def acting(self) -> bool:
        """Whether this supervisor, not another process's, carries out the queue."""
        return self.lock.acquire()

    def idle(self) -> bool:
        """Whether no run is queued, going on or paused, and no sweep has more to queue."""
        if any(sweep.status == "running" for sweep in self.store.sweeps.all()):
            return False
        return not self.store.runs.all(statuses=("queued", "running", "paused"), archived=True)

    def tick(self) -> None:
        """Look once: reap, mark the dead, start what fits."""
        if not self.acting():
            return
        self._reap()
        live = self.store.runs.all(statuses=("running", "paused"), archived=True)
        for run in live:
            self._check(run)
        if any(sweep.status == "running" for sweep in self.store.sweeps.all()):
            from drpo.sweep import advance_all  # half a second of scipy that most days need not

            advance_all(self.store)
        queued = self.store.runs.all(statuses=("queued",), archived=True)
        if not queued:
            return
        taken = [
            run.device
            for run in self.store.runs.all(statuses=("running", "paused"), archived=True)
            if processes.is_here(run)
        ]
        for run in sorted(queued, key=lambda run: run.created_at):
            try:
                device = free_device(RunConfig.from_nested(run.config), self._gpus, taken)
            except ConfigError as error:
                # Queued by another version; those behind it in the queue must not wait for it.
                self._refuse(run, error)
                continue
            if device is not None and self._launch(run, device):
                taken.append(device)

    def _loop(self) -> None:
        while not self._end.wait(self.poll_seconds):
            try:
                self.tick()
            except Exception:
                # A full disk or a locked store now may be over at the next look; the thread that
                # starts and watches runs must outlive it.
                log.exception("the supervisor could not do its round")

    def _reap(self) -> None:
        for run_id, child in list(_children.items()):
            if child.poll() is not None:
                self._statuses[run_id] = child.returncode
                del _children[run_id]
        for run_id, thread in list(_threads.items()):
            if not thread.is_alive():
                del _threads[run_id]

    def _check(self, run: Run) -> None:
        """Mark a run whose worker is gone, and end a worker that stopped beating."""
        if run.pid is None:
            if time.time() - (run.heartbeat_at or run.created_at) > CLAIM_SECONDS:
                self._interrupted(run, "Its worker never started.", {"how": "never_started"})
            return
        if processes.is_here(run) and not process_or_thread_lives(run):
            status, counted = self._statuses.pop(run.id, None), self._memory.killed(run.id)
            end = memory_end(run, status, counted=counted) or end_of(status, memory=counted)
            self._interrupted(run, end.sentence, end.payload)
            return
        self._memory.alive(run.id)
        self._see_that_it_stops(run)
        # Counted on this process's own clock: a laptop that slept wakes with every beat old.
        beat, since = self._beats.get(run.id, (None, 0.0))
        now = time.monotonic()
        if run.heartbeat_at != beat:
            self._beats[run.id] = (run.heartbeat_at, now)
        elif self._stops.must_end(run, now - since):
            processes.kill_worker(run)
            why = "Its worker was asked to stop and gave no sign of life, so it was ended."
            self._interrupted(run, why, {"how": "did_not_stop"})
        elif now - since > self.silent_seconds:
            processes.kill_worker(run)
            silent = round(self.silent_seconds)
            why = f"Its worker was silent for {silent} seconds."
            self._interrupted(run, why, {"how": "silent", "seconds": silent})

    def _see_that_it_stops(self, run: Run) -> None:
        asked = [one for one in self.store.commands.pending(run.id) if one.kind == "stop"]
        if processes.is_here(run) and self._stops.tell(run, unheard=bool(asked)):
            told = "It has not heard the stop, so its process was sent a signal."
            self.store.events.add(run.id, run.step, "stop", told, {"how": "signalled"})

    def _interrupted(self, run: Run, why: str, payload: Mapping[str, Any]) -> None:
        self._beats.pop(run.id, None)
        self._stops.forget(run.id)
        # The worker may have written its end between our reading and now; then it stands.
        if self.store.runs.get(run.id).heartbeat_at != run.heartbeat_at:
            return
        if self.store.runs.move(run.id, from_statuses=("running", "paused"), to="interrupted"):
            self.store.runs.change(run.id, error=f"{why} It can be resumed from its checkpoint.")
            self.store.events.add(run.id, run.step, "error", why, payload)

    def _refuse(self, run: Run, error: ConfigError) -> None:
        why = f"Its settings do not fit this version: {error} Start a new run with other settings."
        if self.store.runs.move(run.id, from_statuses=("queued",), to="failed"):
            self.store.runs.change(run.id, error=why, stage="failed", finished_at=time.time())
            self.store.events.add(run.id, run.step, "error", why)

    def _launch(self, run: Run, device: str) -> bool:
        if not self.store.runs.move(run.id, from_statuses=("queued",), to="running"):
            return False
        self._beats.pop(run.id, None)
        self._stops.forget(run.id)
        self._statuses.pop(run.id, None)
        self.store.runs.change(
            run.id,
            stage="starting",
            device=device,
            heartbeat_at=time.time(),
            host=processes.hostname(),
            pid=None,
            pid_started=None,
        )
        try:
            if RunConfig.from_nested(run.config).run.executor == "thread":
                self._start_thread(run.id)
            else:
                _children[run.id] = start_worker(self.store, run.id, device)
        except OSError as error:
            self.store.runs.change(
                run.id, status="failed", error=f"The worker could not be started: {error}."
            )
            return False
        return True

    def _start_thread(self, run_id: str) -> None:
        from drpo.runs import worker

        thread = threading.Thread(
            target=worker.execute, args=(run_id, self.store), name=f"drpo-run-{run_id}", daemon=True
        )
        _threads[run_id] = thread
        thread.start()


def free_device(config: RunConfig, gpus: list[str], taken: list[str]) -> str | None:
    """Choose a device for a run: one run a GPU, a few on the processor.

    Args:
        config: The run's settings; `device` is auto, cpu, cuda or cuda:N.
        gpus: GPUs of this machine.
        taken: Devices of runs that are going on.

    Returns:
        `cpu`, `cuda:NAME`, or None when the run has to wait.
    """
    wanted = config.models.device
    if wanted == "cpu" or (wanted == "auto" and not gpus):
        return "cpu" if taken.count("cpu") < cpu_slots() else None
    names = [f"cuda:{name}" for name in gpus]
    if wanted.startswith("cuda:"):
        names = [wanted]
    # Asked for a GPU where none is seen: let the worker say so in a sentence.
    return next((name for name in names or ["cuda"] if name not in taken), None)


def start_worker(store: Store, run_id: str, device: str) -> subprocess.Popen[bytes]:
    """Start a run's worker in a session of its own, its output in worker.log."""
    folder = run_folder(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        "DRPO_HOME": str(workspace()),
        "DRPO_DATABASE_URL": store.url,
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # Threads that wait for one another look a few times, then sleep. Spinning long, as is
        # usual, they keep busy the core that the late one needs, and on a shared machine a run
        # stands still; sleeping at once, they are woken a hundred thousand times an update, which
        # takes two fifths of it on a quiet one.
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "2000"),
    }
    if device.startswith("cuda:"):
        # The worker sees this one GPU, as cuda:0: nothing it does can land on another run's.
        environment["CUDA_VISIBLE_DEVICES"] = device.removeprefix("cuda:")
    child = processes.start_module(
        "drpo.runs.worker", run_id, log=folder / "worker.log", environment=environment
    )
    store.runs.change(run_id, pid=child.pid, pid_started=processes.start_time(child.pid))
    return child


def process_or_thread_lives(run: Run) -> bool:
    """Whether a run's worker lives; in this process it is a thread, and the pid is our own."""
    if run.pid == os.getpid():
        return run.id in _threads and _threads[run.id].is_alive()
    return processes.process_lives(run)
