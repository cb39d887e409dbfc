"""Which executors there are, and which one a run has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import get_args

from drpo.config.settings import ExecutorName
from drpo.errors import ConfigError
from drpo.executors.interface import Executor
from drpo.executors.process import ProcessExecutor
from drpo.executors.ray_jobs import RayExecutor
from drpo.executors.slurm_jobs import SlurmExecutor
from drpo.executors.thread import ThreadExecutor
from drpo.store import Store
from drpo.store.schema import Run

NEEDED = {"ray": "ray", "slurm": "submitit"}
"""The package that an executor needs beside DR-PO, by the executor's name; extras bring it."""


def name_of(run: Run) -> str:
    """The executor that a run asks for."""
    return str(run.config["run"]["executor"])


def missing_package(name: str) -> str | None:
    """The package that an executor needs and that is not installed here, if any."""
    package = NEEDED.get(name)
    return package if package is not None and find_spec(package) is None else None


def installed() -> list[str]:
    """The executors that this installation can use."""
    return [name for name in get_args(ExecutorName) if missing_package(name) is None]


def see_that_it_is_here(name: str) -> None:
    """Refuse an executor that this installation cannot use.

    Raises:
        ConfigError: It cannot.
    """
    package = missing_package(name)
    if package is not None:
        raise ConfigError(
            f"executor is {name!r}, which needs the Python package {package}, and that is not "
            f"installed here: pip install 'drpo[{name}]', or set executor to 'process'."
        )
    if name not in get_args(ExecutorName):
        names = ", ".join(get_args(ExecutorName))
        raise ConfigError(f"executor is one of {names}; got {name!r}.")


class Executors:
    """One of each kind, made when a run first asks for it.

    Args:
        carry_out: Carries a run out in this process, for runs in threads.
    """

    def __init__(self, carry_out: Callable[[str, Store], object]) -> None:
        self._makers: dict[str, Callable[[], Executor]] = {
            "process": ProcessExecutor,
            "thread": partial(ThreadExecutor, carry_out),
            "ray": RayExecutor,
            "slurm": SlurmExecutor,
        }
        self._made: dict[str, Executor] = {}

    def of(self, run: Run) -> Executor:
        """The executor of a run.

        Raises:
            ConfigError: There is no such executor here, or a package that it needs is missing.
        """
        name = name_of(run)
        if name not in self._made:
            see_that_it_is_here(name)
            self._made[name] = self._makers[name]()
        return self._made[name]

    def any_elsewhere(self) -> bool:
        """Whether a cluster is in use."""
        return any(executor.elsewhere for executor in self._made.values())

    def made(self) -> list[tuple[str, Executor]]:
        """Those that were asked for, by name."""
        return list(self._made.items())

    def tidy(self) -> None:
        """Let go of what has ended."""
        for executor in self._made.values():
            executor.tidy()
