"""Several people who resume a run at once resume it once, and a stop that comes then is heard."""

import contextlib
import threading

import screen_material

from drpo.errors import RunError
from drpo.system import control


def test_of_six_resumes_at_once_one_counts(store):
    run = screen_material.add_run(store, "r", upto=2, status="stopped")
    ready = threading.Barrier(6)

    def resume():
        ready.wait()
        # Who comes too late is told that the run is queued.
        with contextlib.suppress(RunError):
            control.resume(store, run.id)

    threads = [threading.Thread(target=resume) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.runs.get(run.id).status == "queued"
    assert len(store.events.since(run.id, kinds=("resume",))) == 1


def test_a_late_resume_drops_no_stop_of_the_run_that_goes_on(store):
    run = screen_material.add_run(store, "r", upto=2, status="stopped")
    store.commands.add(run.id, "stop")  # of the ended worker
    assert store.runs.requeue(run.id, from_statuses=control.RESUMABLE)
    assert store.commands.pending(run.id) == []
    store.runs.move(run.id, from_statuses=["queued"], to="running")
    control.stop(store, run.id)
    assert not store.runs.requeue(run.id, from_statuses=control.RESUMABLE)
    assert [command.kind for command in store.commands.pending(run.id)] == ["stop"]
