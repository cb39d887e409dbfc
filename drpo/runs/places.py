"""Where runs are and where more fit: this machine, and each cluster as its supervisor wrote it."""

from __future__ import annotations

from dataclasses import dataclass

from drpo.executors import Node, name_of
from drpo.executors.process import ProcessExecutor
from drpo.runs.cluster_watch import NODES
from drpo.store import Store
from drpo.store.schema import Run


@dataclass(frozen=True, slots=True)
class Places:
    """The nodes of one executor."""

    executor: str
    nodes: list[Node]
    away: str = ""
    """Why its cluster does not answer; the nodes are then those of before."""

    def runs_on(self, node: Node, live: list[Run]) -> list[Run]:
        """The runs that one of these nodes carries out."""
        here = ("process", "thread") if self.executor == "process" else (self.executor,)
        return [
            run
            for run in live
            if name_of(run) in here
            and where(run) == node.name
            and run.device.partition(":")[0] == node.device
        ]


def where(run: Run) -> str:
    """The machine that a run is or was on; empty before it has begun."""
    return run.node or run.host


def going_on(store: Store) -> list[Run]:
    """The runs that take places."""
    return store.runs.all(statuses=("running", "paused"), archived=True)


def places(store: Store) -> list[Places]:
    """This machine's places, then those of every cluster that runs were given to."""
    here = Places("process", ProcessExecutor().nodes(going_on(store)))
    return [here, *(_of_cluster(store, document.key) for document in store.documents.all(NODES))]


def _of_cluster(store: Store, name: str) -> Places:
    told = store.documents.get(NODES, name) or {}
    nodes = [Node(**node) for node in told.get("nodes", [])]
    return Places(name, nodes, str(told.get("away", "")))


def of_run(store: Store, run: Run) -> Places | None:
    """The places of the cluster that a run was given to; None for one of this machine."""
    return _of_cluster(store, name_of(run)) if run.job is not None else None
