"""Carries out one run: the only place where training and store meet.

`python -m drpo.runs.worker RUN` is what a supervisor starts, in a session of its own; `execute` is
the same inside a thread. However the run ends, the store says how, in a sentence a person can use;
the traceback goes to worker.log. Torch is loaded inside the run, so that a SIGTERM before that is
obeyed too.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drpo import home
from drpo.config.methods import UPDATING
from drpo.config.run_config import RunConfig
from drpo.config.stored import critic_weight, k3_was_reward, without_secrets
from drpo.errors import DrpoError, RankDiedError, RunError
from drpo.executors.begin import JOB, SIGNALS
from drpo.files import write_whole
from drpo.runs import memory_fit, peaks
from drpo.runs.on_cluster import leave_folder, leave_place, see_that_it_is_mine
from drpo.runs.outbox import BUSY_SECONDS, insist
from drpo.runs.peaks import PeakWatch
from drpo.runs.publishing import PublishingObserver
from drpo.runs.reporting import listening
from drpo.runs.run_outcome import Outcome, interrupted, of_error
from drpo.runs.store_observer import END_PATIENCE, StoreObserver
from drpo.runs.threads import fix_threads
from drpo.store import Store, run_folder
from drpo.store.schema import Run
from drpo.system import memory, processes
from drpo.system.limits import limit_this_process

log = logging.getLogger(__name__)

CONNECTIONS = 1
"""A worker's threads take turns, so that a database server needs no more of them than runs."""
LOCK_SECONDS = 2.0
"""Others look, each for a moment, whether the run's folder has a worker."""


def execute(
    run_id: str,
    store: Store | None = None,
    stop_asked: threading.Event | None = None,
    *,
    alone: bool = False,
    job: str | None = None,
) -> str:
    """Carry out a run from where it stands, to its end or until it is asked to stop.

    Args:
        run_id: A run in the store; a finished stage or checkpoint in its folder is not repeated.
        store: The store; by default the one the environment names.
        stop_asked: Set from outside to save and stop.
        alone: Whether this process does nothing else: it may then limit its own memory.
        job: The name under which a cluster carries it out. Whoever sets `stop_asked` is then the
            cluster, which takes the place away: the run goes back into the queue.

    Returns:
        The status it ended with: finished, stopped, failed, or interrupted where one of its devices
        was lost; queued where a cluster took the place away.

    Raises:
        RunError: There is no such run, or another worker has it.
    """
    store = store or insist(lambda: Store(busy_seconds=BUSY_SECONDS, connections=CONNECTIONS))
    run = insist(lambda: store.runs.get(run_id))
    folder = run_folder(run_id)
    if job is not None:
        insist(lambda: see_that_it_is_mine(store, run, job))
    lock = processes.Lock(folder / "worker.lock")
    if not lock.acquire(LOCK_SECONDS):
        if job is not None:
            leave_folder(store, run)
        raise RunError(f"{run_id} has a worker already (process {lock.holder()}).")
    try:
        observer = PublishingObserver(store, run, job, stop_asked=stop_asked)
        insist(lambda: _begin(store, run))
        observer.start()
        watch = PeakWatch(lambda: observer.stage[0], folder / peaks.FILE)
        if alone:
            watch.start()
        end = _outcome(run, folder, observer, watch, alone=alone)
        if (unseen := observer.hand_in(END_PATIENCE)) and end.status == "finished":
            end = Outcome("interrupted", unseen)
        if alone:
            observer.note(memory=watch.stop())
        observer.close()
        if job is not None and end.status == "stopped" and not observer.heard_stop:
            return insist(lambda: leave_place(store, run_id), END_PATIENCE)
        _end(store, run_id, end)
    finally:
        lock.release()
    return end.status


def _begin(store: Store, run: Run) -> None:
    now = time.time()
    store.runs.change(
        run.id,
        status="running",
        error="",
        pid=os.getpid(),
        pid_started=processes.start_time(os.getpid()),
        host=processes.hostname(),
        heartbeat_at=now,
        started_at=run.started_at or now,
        finished_at=None,
    )


def _end(store: Store, run_id: str, end: Outcome) -> None:
    """Write the end; tried for long, because a run without an end looks interrupted."""

    def write() -> None:
        store.runs.change(
            run_id,
            status=end.status,
            error=end.sentence,
            finished_at=time.time(),
            stage=end.status,
        )
        if end.sentence:
            step = store.runs.get(run_id).step
            store.events.add(run_id, step, "error", end.sentence, end.facts)

    try:
        insist(write, END_PATIENCE)
    except Exception:
        log.exception("could not write the run's end")


def _outcome(
    run: Run, folder: Path, observer: PublishingObserver, watch: PeakWatch, *, alone: bool
) -> Outcome:
    """Do the work; whatever happens becomes a status and a sentence."""
    config = None
    room = memory.room()
    try:
        observer.take_over()
        config = _on_device(RunConfig.from_nested(run.config), run.device)
        # Several ranks on the processor share its memory, as they share its cores.
        room //= config.models.devices
        limited = alone and config.models.device == "cpu"
        if limited:
            config = _within(room, config, folder, observer)
            if observer.should_stop():
                return Outcome("stopped")
        write_whole(folder / "config.json", config.to_json())
        threads = fix_threads(run, observer.store, config.models.devices)
        log.info("run %s with %d threads", run.id, threads)
        if k3_was_reward(run.config):
            told = "Its settings ask for k3 as a reward, which is no brake: the reward takes k1."
            observer.event(run.step, "note", told, {"how": "k3_reward"})
        from transformers.utils.logging import disable_progress_bar

        from drpo.data.run_data import load_run_data
        from drpo.runs import pipeline
        from drpo.runs.followers import accompanied

        disable_progress_bar()  # worker.log is read by people
        observer.progress("data", 0, 0)
        weight, loading = critic_weight(run.config), config
        with (
            accompanied(
                config,
                folder,
                threads=threads,
                room=room if limited else None,
                critic_weight=weight,
                lost=_ending(observer.store, run.id) if alone else None,
            ) as ranks,
            listening(config, folder, observer, run_id=run.id, step=run.step) as heard,
        ):
            data = ranks.first(lambda: load_run_data(loading, observer.store))
            stopped = pipeline.run_stages(config, data, folder, heard, critic_weight=weight)
    except Exception as error:
        peak = watch.peak or memory.peak()
        return of_error(error, config, folder, stage=observer.stage[0], peak=peak, room=room)
    return Outcome("stopped" if stopped else "finished")


def _ending(store: Store, run_id: str) -> Callable[[RankDiedError], None]:
    """Return what ends this process where it waits for a rank that is gone."""

    def end(error: RankDiedError) -> None:
        _end(store, run_id, interrupted(error))
        os._exit(1)

    return end


def _within(room: int, config: RunConfig, folder: Path, observer: StoreObserver) -> RunConfig:
    """Choose and try what fits, and see that this process never takes more than there is."""
    peaks.keep(folder / peaks.FILE, room=room)
    observer.progress("trying what fits", 0, 0)
    config = memory_fit.fitted(config, folder, room, stopped=observer.should_stop)
    memory_fit.settle_allocator(config)
    limit_this_process(memory=room)
    return config


def _on_device(config: RunConfig, device: str) -> RunConfig:
    """Use the device that the supervisor gave; a worker of its own sees only that GPU.

    A thread sees all that CUDA_VISIBLE_DEVICES names, and torch counts those from 0. A worker that
    was started by hand finds out for itself: on a processor its memory is limited.
    """
    if not device:
        alone = config.models.device == "auto" and not processes.gpus()
        return config.replace(device="cpu") if alone else config
    if device.startswith("cuda") and config.run.executor != "thread":
        return config.replace(device="cuda")
    gpus = [f"cuda:{name}" for name in processes.gpus()] if device.startswith("cuda:") else []
    return config.replace(device=f"cuda:{gpus.index(device)}" if device in gpus else device)


def export(run_id: str, out: Path, store: Store) -> None:
    """Write a run's policy as a Hugging Face folder, with the run's record in drpo_run.json.

    The record holds the settings and every setting changed on the way: what really happened.

    Raises:
        CheckpointError: The run has saved nothing yet.
        RunError: The folder is in use, or the run's method trains no policy.
    """
    from drpo.runs import pipeline

    run, folder = store.runs.get(run_id), run_folder(run_id)
    home.outline(folder)
    if run.config["run"]["method"] not in UPDATING:
        home.fetch(folder / "models")
    step = pipeline.export(RunConfig.from_nested(run.config), folder, out)
    record = {
        "run": run.id,
        # What is kept may be older than what a live run has done since.
        "updates": run.step if step is None else step,
        "config": without_secrets(run.config),
        "knobs": store.events.setting_changes(run_id),
        "first": run.summary.get("first"),
        "last": run.summary.get("last"),
    }
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (out / "drpo_run.json").write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Carry out the run named on the command line; SIGTERM and SIGINT save and stop."""
    words: list[Any] = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    stop_asked = threading.Event()
    job = os.environ.get(JOB)
    for name in (signal.SIGINT, *(SIGNALS if job else [signal.SIGTERM])):
        signal.signal(name, lambda *_: stop_asked.set())
    try:
        status = execute(words[0], stop_asked=stop_asked, alone=True, job=job)
    except DrpoError as error:
        log.error("%s", error)  # noqa: TRY400 - the sentence is the message, a traceback is not
        sys.exit(2)
    sys.exit(0 if status in ("finished", "stopped", "queued") else 1)


if __name__ == "__main__":
    main()
