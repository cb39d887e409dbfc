"""What a supervisor asks of an executor, and what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from drpo.config.run_config import RunConfig
from drpo.errors import DrpoError
from drpo.files import last_lines
from drpo.home import fetch_file
from drpo.store import Store, run_folder
from drpo.store.schema import Run


class ExecutorAwayError(DrpoError):
    """A cluster does not answer; what was asked of it may be asked again later."""


@dataclass(frozen=True, slots=True)
class Node:
    """A machine, and how many more runs fit on it."""

    name: str
    device: Literal["cpu", "cuda"]
    """What a run there computes with."""
    places: int
    """Runs that fit on it at once."""
    free: int
    lives: bool = True
    """False for one that the cluster had and lost."""


@dataclass(frozen=True, slots=True)
class Life:
    """Whether a run's worker lives, as far as its executor knows."""

    state: Literal["waits", "lives", "gone", "unknown"]
    """`waits`: it has not begun yet. `unknown`: only its heartbeat can tell."""
    status: int | None = None
    """Of one that is gone: how its process ended, as `Popen.returncode` gives it, where known."""
    lost: Literal["", "node", "job", "place"] = ""
    """Of one that is gone through no fault of its own: its node is lost, the cluster knows nothing
    of it any more, or took its place back."""
    node: str = ""
    """Where it is or was, by the cluster's own name; empty where that is the machine's name."""


LIVES, WAITS, UNKNOWN = Life("lives"), Life("waits"), Life("unknown")


class Executor(Protocol):
    """Starts workers, ends them, and knows which live. It keeps nothing that the store needs."""

    elsewhere: bool
    """Whether workers live on nodes of a cluster, which may be lost while the run is sound."""

    def nodes(self, live: Sequence[Run]) -> list[Node]:
        """Machines and their free places.

        Args:
            live: Runs that are going on, of every executor.

        Raises:
            ExecutorAwayError: The cluster does not say.
        """

    def free_device(self, config: RunConfig, live: Sequence[Run]) -> str | None:
        """A device for one more run: cpu, cuda or cuda:NAME; None when it has to wait.

        Raises:
            ExecutorAwayError: The cluster does not say.
        """

    def start(self, store: Store, run: Run, device: str) -> None:
        """Start the worker of a run, and write into the store how it is found again.

        Raises:
            ExecutorAwayError: The cluster cannot take it now.
            OSError: This machine cannot start it.
        """

    def alive(self, run: Run) -> Life:
        """Whether the run's worker lives."""

    def stop(self, run: Run, *, now: bool) -> bool:
        """Ask a worker by a signal to save and leave, or end it at once.

        Returns:
            Whether there was one to tell, and a way to tell it.
        """

    def tail(self, run: Run) -> str:
        """The last lines of what the worker said."""

    def tidy(self) -> None:
        """Let go of what has ended; called at every look of the supervisor."""


def worker_log(run: Run) -> str:
    """The last lines of a run's worker.log; empty while there is none."""
    path = run_folder(run.id) / "worker.log"
    fetch_file(path)
    return last_lines(path) if path.exists() else ""
