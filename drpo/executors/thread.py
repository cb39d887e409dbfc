"""Each run in a thread of the supervisor's process, for notebooks and tests."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from drpo.executors.interface import LIVES, UNKNOWN, WAITS, Life
from drpo.executors.process import HereExecutor
from drpo.store import Store
from drpo.store.schema import Run
from drpo.system import processes

_threads: dict[str, threading.Thread] = {}
"""Runs in threads of this process, whichever supervisor started them."""


class ThreadExecutor(HereExecutor):
    """A thread for each run. It can neither be ended alone nor sent a signal.

    Args:
        carry_out: Carries a run out; it is handed the run's id and the store.
    """

    def __init__(self, carry_out: Callable[[str, Store], object]) -> None:
        super().__init__()
        self._carry_out = carry_out

    def start(self, store: Store, run: Run, device: str) -> None:  # noqa: ARG002 - it sees them all
        """Start a thread."""
        thread = threading.Thread(
            target=self._carry_out, args=(run.id, store), name=f"drpo-run-{run.id}", daemon=True
        )
        _threads[run.id] = thread
        thread.start()

    def alive(self, run: Run) -> Life:
        """Whether the thread does; for one of another process, whether that process does."""
        if run.pid is None:
            return WAITS
        if not processes.is_here(run):
            return UNKNOWN
        if run.pid != os.getpid():
            return LIVES if processes.process_lives(run) else Life("gone")
        thread = _threads.get(run.id)
        return LIVES if thread is not None and thread.is_alive() else Life("gone")

    def stop(self, run: Run, *, now: bool) -> bool:  # noqa: ARG002 - nothing can be done
        """It would take its dashboard or notebook with it, so it is left as it is."""
        return False

    def tidy(self) -> None:
        """Forget the threads that ended."""
        for run_id, thread in list(_threads.items()):
            if not thread.is_alive():
                del _threads[run_id]
