"""The supervisor: takes queued runs, gives each a device, starts its worker, notices its death.

One thread a dashboard process; of all processes that share a workspace, only the one that holds
`supervisor.lock`, or a lock of PostgreSQL where files are in an object store, acts, the others
stand by and take over when it ends. Workers lead sessions of their own, so neither a closed browser
nor a dead dashboard touches them; a new supervisor finds them in the store. Where a worker is, is
its executor's affair (`drpo.executors`). Torch is never imported here, except with `executor:
thread`. `drpo.runs.background_supervisor` supervises without a screen.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError
from drpo.executors import Executor, ExecutorAwayError, Executors, Life, name_of
from drpo.home import home_url, workspace
from drpo.runs.cluster_watch import ClusterWatch, lost_end
from drpo.runs.retries import try_again
from drpo.runs.worker_death import memory_end
from drpo.runs.worker_ends import End, MemoryWatch, StopEscalation, end_of
from drpo.store import Store
from drpo.store.lock import StoreLock
from drpo.store.schema import Run
from drpo.system import processes

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
SILENT_SECONDS = 300.0
"""A living worker that has not beaten for so long is stuck; ten missed beats may be a busy disk."""
CLAIM_SECONDS = 60.0
"""A claimed run without a pid after this lost its supervisor between claim and start."""


def supervisor_lock(store: Store) -> processes.Lock | StoreLock:
    """What the one supervisor holds that acts: in the folder, or the store, that all share."""
    if home_url() is not None:
        return StoreLock(store.engine, f"supervisor of {home_url()}")
    return processes.Lock(workspace() / "supervisor.lock")


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
        self.lock = supervisor_lock(store)
        self._executors = Executors(_carry_out)
        self._beats: dict[str, tuple[float | None, float]] = {}
        self._memory = MemoryWatch()
        self._stops = StopEscalation()
        self._cluster = ClusterWatch(store)
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
        self._executors.tidy()
        live = self.store.runs.all(statuses=("running", "paused"), archived=True)
        asked = self.store.commands.asked(run.id for run in live)
        for run in live:
            try:
                self._check(run, asked.get(run.id, set()))
            except ConfigError:
                log.exception("%s is left to a supervisor that has its executor", run.id)
        if any(sweep.status == "running" for sweep in self.store.sweeps.all()):
            from drpo.sweep import advance_all  # half a second of scipy that most days need not

            advance_all(self.store)
        queued = self.store.runs.all(statuses=("queued",), archived=True)
        if queued or self._executors.any_elsewhere():
            self._start(sorted(queued, key=lambda run: run.created_at))

    def _start(self, queued: Sequence[Run]) -> None:
        """Start those of the queue that there is room for."""
        live = self.store.runs.all(statuses=("running", "paused"), archived=True)
        held: set[str] = set()
        for run in queued:
            if name_of(run) in held:
                continue
            try:
                executor = self._executors.of(run)
                config = RunConfig.from_nested(run.config)
                device = executor.free_device(config, live)
            except ExecutorAwayError:
                continue  # it waits for its cluster; `tell_nodes` says so
            except ConfigError as error:
                # Queued by another version; those behind it in the queue must not wait for it.
                self._refuse(run, error)
                continue
            if device is None and config.models.devices > 1:
                # It needs several at once, which those behind it must not take one by one.
                held.add(name_of(run))
            elif device is not None and self._launch(run, executor, device):
                live.append(self.store.runs.get(run.id))
        for name, executor in self._executors.made():
            self._cluster.tell_nodes(name, executor, live)

    def _loop(self) -> None:
        while not self._end.wait(self.poll_seconds):
            try:
                self.tick()
            except Exception:
                # A full disk or a locked store now may be over at the next look; the thread that
                # starts and watches runs must outlive it.
                log.exception("the supervisor could not do its round")
                # Workers could not beat either where the store was away: no silence of theirs.
                self._beats.clear()

    def _check(self, run: Run, asked: set[str]) -> None:
        """Mark a run whose worker is gone, and end a worker that stopped beating."""
        executor = self._executors.of(run)
        silent = self._silence(run)
        life = self._cluster.alive(run, executor, silent)
        if "kill" in asked:
            self._end_at_once(run, executor)
        elif life.state == "waits":
            self._see_that_it_begins(run, executor, asked)
        elif life.state == "gone":
            self._gone(run, life)
        else:
            self._memory.alive(run.id)
            self._see_that_it_stops(run, executor, asked)
            self._see_that_it_beats(run, executor, silent)

    def _silence(self, run: Run) -> float:
        """Seconds since the heartbeat was seen to move.

        Counted on this process's own clock: a laptop that slept wakes with every beat old.
        """
        beat, since = self._beats.get(run.id, (None, 0.0))
        now = time.monotonic()
        if run.heartbeat_at != beat:
            self._beats[run.id] = (run.heartbeat_at, now)
            return 0.0
        return now - since

    def _see_that_it_begins(self, run: Run, executor: Executor, asked: set[str]) -> None:
        if run.job is not None:
            # In the cluster's own queue, for as long as it takes.
            self._beats.pop(run.id, None)
            if "stop" in asked and self._take_back(run, "stopped"):
                executor.stop(run, now=True)
                told = "Taken off the queue."
                self.store.events.add(run.id, run.step, "stop", told, {"how": "unqueued"})
        elif time.time() - (run.heartbeat_at or run.created_at) > CLAIM_SECONDS:
            self._interrupted(run, End("Its worker never started.", {"how": "never_started"}))

    def _gone(self, run: Run, life: Life) -> None:
        end = lost_end(life)
        if end is not None:
            self._lost(run, end)
            return
        counted = self._memory.killed(run.id)
        end = memory_end(run, life.status, counted=counted)
        self._interrupted(run, end or end_of(life.status, memory=counted))

    def _see_that_it_stops(self, run: Run, executor: Executor, asked: set[str]) -> None:
        if self._stops.is_due(run, unheard="stop" in asked) and executor.stop(run, now=False):
            self._stops.told(run.id)
            told = "It has not heard the stop, so its process was sent a signal."
            self.store.events.add(run.id, run.step, "stop", told, {"how": "signalled"})

    def _see_that_it_beats(self, run: Run, executor: Executor, silent: float) -> None:
        if self._stops.must_end(run, silent):
            executor.stop(run, now=True)
            told = "Its worker was asked to stop and gave no sign of life, so it was ended."
            self._interrupted(run, End(told, {"how": "did_not_stop"}))
        elif silent > self.silent_seconds:
            executor.stop(run, now=True)
            seconds = round(self.silent_seconds)
            told = f"Its worker was silent for {seconds} seconds."
            end = End(told, {"how": "silent", "seconds": seconds})
            (self._lost if executor.elsewhere else self._interrupted)(run, end)

    def _end_at_once(self, run: Run, executor: Executor) -> None:
        """Carry out what `control.kill` asked for of a worker that only its cluster can end."""
        pending = self.store.commands.pending(run.id)
        who = next((command.who for command in pending if command.kind == "kill"), "")
        # First, so that what the worker may still write in its last moment is none of the run's.
        if self._take_back(run, "interrupted"):
            executor.stop(run, now=True)
            self._forget(run.id)
            told, facts = "Ended at once, without saving.", {"how": "killed"}
            self.store.events.add(run.id, run.step, "stop", told, facts, who)
        self.store.commands.done(command.id for command in pending)

    def _lost(self, run: Run, end: End) -> None:
        """A worker is gone through no fault of the run, which goes on elsewhere."""
        if self._still_as_read(run) and not try_again(self.store, run, end.sentence, end.payload):
            self._interrupted(run, end)

    def _interrupted(self, run: Run, end: End) -> None:
        if self._still_as_read(run) and self._take_back(run, "interrupted"):
            error = f"{end.sentence} It can be resumed from its checkpoint."
            self.store.runs.change(run.id, error=error)
            self.store.events.add(run.id, run.step, "error", end.sentence, end.payload)

    def _still_as_read(self, run: Run) -> bool:
        """Whether the worker wrote nothing, as its end, between our reading and now."""
        self._forget(run.id)
        return self.store.runs.get(run.id).heartbeat_at == run.heartbeat_at

    def _take_back(self, run: Run, status: str) -> bool:
        """Take a run from its worker, which from now on writes nothing for it."""
        live = ("running", "paused")
        return self.store.runs.move(run.id, from_statuses=live, to=status, job=None)

    def _forget(self, run_id: str) -> None:
        self._beats.pop(run_id, None)
        self._stops.forget(run_id)
        self._cluster.forget(run_id)

    def _refuse(self, run: Run, error: ConfigError) -> None:
        why = f"Its settings do not fit this version: {error} Start a new run with other settings."
        if self.store.runs.move(run.id, from_statuses=("queued",), to="failed"):
            self.store.runs.change(run.id, error=why, stage="failed", finished_at=time.time())
            self.store.events.add(run.id, run.step, "error", why)

    def _launch(self, run: Run, executor: Executor, device: str) -> bool:
        if not self.store.runs.move(run.id, from_statuses=("queued",), to="running"):
            return False
        self._forget(run.id)
        self.store.runs.change(
            run.id,
            stage="starting",
            device=device,
            heartbeat_at=time.time(),
            host="" if executor.elsewhere else processes.hostname(),
            pid=None,
            pid_started=None,
            job=None,
            node=None,
        )
        try:
            executor.start(self.store, run, device)
        except ExecutorAwayError as error:
            log.warning("%s stays in the queue: %s", run.id, error)
            self.store.runs.requeue(run.id, from_statuses=("running",), keep_asked=True)
            return False
        except OSError as error:
            self.store.runs.change(
                run.id, status="failed", error=f"The worker could not be started: {error}."
            )
            return False
        return True


def _carry_out(run_id: str, store: Store) -> object:
    from drpo.runs import worker

    return worker.execute(run_id, store)
