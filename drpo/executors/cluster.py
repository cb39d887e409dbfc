"""What executors of clusters have in common."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError
from drpo.executors.interface import Node, worker_log
from drpo.store.schema import Run


class ClusterExecutor(ABC):
    """Gives runs to a cluster as long as it has places; the rest waits in the store."""

    elsewhere = True
    name: str
    """The executor's name in a run's settings."""

    @abstractmethod
    def nodes(self, live: Sequence[Run]) -> list[Node]:
        """Nodes and their free places."""

    def free_device(self, config: RunConfig, live: Sequence[Run]) -> str | None:
        """The kind of device that a run wants, if a place with one is free."""
        nodes = [node for node in self.nodes(live) if node.lives]
        wanted = config.models.device.partition(":")[0]
        if wanted == "auto":
            wanted = "cuda" if any(node.device == "cuda" for node in nodes) else "cpu"
        fitting = [node for node in nodes if node.device == wanted]
        # Those that the cluster has not placed yet may land on any node.
        coming = sum(devices_of(run) for run in self.mine(live, wanted) if run.node is None)
        needed = config.models.devices
        roomy = any(node.free >= needed for node in fitting)
        return wanted if roomy and sum(node.free for node in fitting) >= needed + coming else None

    def mine(self, live: Sequence[Run], device: str) -> list[Run]:
        """The runs that this executor has given places with such a device."""
        return [
            run
            for run in live
            if run.config["run"]["executor"] == self.name and run.device == device
        ]

    def tail(self, run: Run) -> str:
        """The last lines of worker.log, in the folder that all nodes share."""
        return worker_log(run)


def devices_of(run: Run) -> int:
    """How many devices a run shares its work among; its node has them all."""
    return int(run.config["models"].get("devices", 1))


def number_of(variable: str, default: int) -> int:
    """A whole number above 0 from the environment.

    Raises:
        ConfigError: It is none.
    """
    text = os.environ.get(variable) or str(default)
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"{variable} is {text!r}; expected a whole number above 0.")
    return int(text)


def object_of(variable: str) -> dict[str, Any]:
    """A JSON object from the environment; empty where the variable is.

    Raises:
        ConfigError: It is none.
    """
    text = os.environ.get(variable) or "{}"
    try:
        read = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{variable} is no JSON ({error}); got {text!r}.") from error
    if not isinstance(read, dict):
        raise ConfigError(f"{variable} is {text!r}; expected a JSON object, as {{}}.")
    return read
