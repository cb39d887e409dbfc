"""Supervise the queue without a screen: until nothing is queued or live, or for good.

Started by commands that do not wait for the runs they queue, as
`python -m drpo.runs.background_supervisor`; and by `drpo supervise`, beside a dashboard that starts
no runs itself.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from drpo.home import home_url, workspace
from drpo.runs.supervisor import POLL_SECONDS, SILENT_SECONDS, Supervisor
from drpo.store import Store
from drpo.system import processes

log = logging.getLogger(__name__)

_children: list[subprocess.Popen[bytes]] = []
"""Supervisors that this process started: kept so that their end is no complaint of Python's."""


def hand_over(supervisor: Supervisor) -> None:
    """Stop a supervisor whose process is about to end; what is still live gets one of its own.

    Runs that others queued meanwhile started no supervisor, because there was this one.
    """
    supervisor.stop()
    if not supervisor.idle():
        start_detached()


def start_detached() -> None:
    """Start a supervisor without a screen, unless one already acts; it ends with the last run."""
    # Of those that share a store alone, a second one finds out by itself and ends.
    lock = processes.Lock(workspace() / "supervisor.lock")
    if home_url() is None and lock.holder() is not None:
        return
    workspace().mkdir(parents=True, exist_ok=True)
    log_file = workspace() / "supervisor.log"
    _children.append(processes.start_module("drpo.runs.background_supervisor", log=log_file))


def main() -> None:
    """Supervise until no run is queued or live, then leave."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    store = Store()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Looked at once more after the lock is free: a run queued while this one was about to leave
    # saw a supervisor and started none.
    while True:
        supervisor = Supervisor(store)
        if _idle(supervisor) or not supervisor.acting():
            return
        supervisor.start()
        while not _idle(supervisor):
            time.sleep(POLL_SECONDS)
        supervisor.stop()


def serve(store: Store) -> None:
    """Supervise until SIGTERM or SIGINT; workers go on, and the next supervisor finds them.

    Args:
        store: Where runs are queued.
    """
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ended.set())
    supervisor = Supervisor(store)
    supervisor.start()
    ended.wait()
    supervisor.stop()


def _idle(supervisor: Supervisor) -> bool:
    """Whether nothing is live, asked until the store answers: it may be locked, or its disk full.

    A store that is silent for as long as a stuck worker may be is gone, and the error is raised.
    """
    since = time.monotonic()
    while True:
        try:
            return supervisor.idle()
        except SQLAlchemyError:
            if time.monotonic() - since > SILENT_SECONDS:
                raise
            log.exception("the store did not say whether anything is live")
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
