"""What became of a worker that is gone, and how one that hangs is ended."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import Any

from drpo.store.schema import Run
from drpo.system import processes
from drpo.system.limits import out_of_memory_kills

TERM_AFTER = 15.0
"""Seconds after which a worker that has not heard a stop gets a signal that says the same."""
KILL_AFTER = 60.0
"""Seconds without a sign of life after which a worker that was asked to stop is ended."""


@dataclass(frozen=True, slots=True)
class End:
    """Why a worker is gone."""

    sentence: str
    payload: dict[str, Any]


class MemoryWatch:
    """Whether the system killed processes for memory since a worker was last seen alive."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def alive(self, run_id: str) -> None:
        """Note that a run's worker lives."""
        self._seen[run_id] = out_of_memory_kills()

    def killed(self, run_id: str) -> bool:
        """Whether a process was killed for memory since."""
        before = self._seen.pop(run_id, None)
        return before is not None and out_of_memory_kills() > before


def end_of(status: int | None, *, memory: bool) -> End:
    """Say what ended a worker.

    Args:
        status: Its exit status as `Popen.returncode` gives it; None where another process started
            it.
        memory: Whether the system killed a process for memory at that time.
    """
    if memory and status in (None, -signal.SIGKILL):
        return End(
            "Its worker was killed because the machine's memory was full.", {"how": "memory"}
        )
    if status is None or status == 0:
        return End("Its worker ended without saying why; worker.log may tell.", {"how": "vanished"})
    if status < 0:
        name = signal_name(-status)
        return End(f"Its worker was ended by the signal {name}.", {"how": "signal", "signal": name})
    return End(
        f"Its worker ended with status {status}; worker.log may tell.",
        {"how": "status", "status": status},
    )


class StopEscalation:
    """Sees to it that a run which was asked to stop does: it is asked, told, and at last ended.

    A worker that computes is left to end its update, however long that takes: what it computed
    would be lost.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._told: set[str] = set()

    def forget(self, run_id: str) -> None:
        """A run has ended."""
        self._since.pop(run_id, None)
        self._told.discard(run_id)

    def is_due(self, run: Run, *, unheard: bool) -> bool:
        """Whether a worker has not heard a stop for long and was not sent a signal yet.

        Args:
            run: A live run.
            unheard: Whether a stop waits in its commands.
        """
        if unheard:
            self._since.setdefault(run.id, time.monotonic())
        elif run.id in self._since and run.id not in self._told:
            del self._since[run.id]  # heard; its update may take as long as it takes
        late = time.monotonic() - self._since.get(run.id, time.monotonic()) > TERM_AFTER
        return late and run.id not in self._told

    def told(self, run_id: str) -> None:
        """A worker was sent a signal."""
        self._told.add(run_id)

    def must_end(self, run: Run, silent: float) -> bool:
        """Whether a worker that was asked to stop gives no sign of life any more."""
        asked = self._since.get(run.id)
        # One of another machine's processes is known by its heartbeat alone.
        if asked is None or (run.job is None and not processes.is_here(run)):
            return False
        return min(silent, time.monotonic() - asked) > KILL_AFTER


def signal_name(number: int) -> str:
    """A signal's name, or its number where it has none here."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
