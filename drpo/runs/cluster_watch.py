"""What a supervisor does for runs on a cluster alone: ask seldom, believe late, tell of nodes.

A cluster knows less of a worker than the store, which hears it every second: it is asked only about
one that is silent or has not begun. And what it says of a lost one counts only after a silence,
because a worker may outlive the head of its cluster for a while.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from drpo.executors import Executor, ExecutorAwayError, Life
from drpo.executors.interface import LIVES, UNKNOWN
from drpo.runs.worker_ends import End
from drpo.store import Store
from drpo.store.schema import Run

log = logging.getLogger(__name__)

ASK_AFTER = 5.0
"""Seconds of silence after which a cluster is asked about a worker."""
ASK_EVERY = 2.0
GRACE_SECONDS = 10.0
"""Seconds of silence after which a cluster is believed that a worker is lost."""
NODES_EVERY = 5.0
NODES = "executor"
"""The kind of the documents, one an executor, that say which nodes there are."""


class ClusterWatch:
    """Asks executors about runs that live elsewhere.

    Args:
        store: Where runs are.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._said: dict[str, tuple[float, Life]] = {}
        self._nodes: dict[str, dict[str, Any]] = {}
        self._nodes_at: dict[str, float] = {}

    def forget(self, run_id: str) -> None:
        """A run has ended or begins anew."""
        self._said.pop(run_id, None)

    def alive(self, run: Run, executor: Executor, silent: float) -> Life:
        """Whether a run's worker lives.

        Args:
            run: A live run of any executor.
            executor: Its executor.
            silent: Seconds since its heartbeat was seen to move.
        """
        if not executor.elsewhere:
            return executor.alive(run)
        if run.pid is not None and run.node is not None and silent < ASK_AFTER:
            return LIVES
        at, life = self._said.get(run.id, (-ASK_EVERY, UNKNOWN))
        now = time.monotonic()
        if now - at >= ASK_EVERY:
            life = self._ask(run, executor)
            self._said[run.id] = (now, life)
        return LIVES if life.state == "gone" and life.lost and silent < GRACE_SECONDS else life

    def _ask(self, run: Run, executor: Executor) -> Life:
        try:
            life = executor.alive(run)
        except ExecutorAwayError as error:
            log.warning("%s: %s", run.id, error)
            return UNKNOWN
        if life.node and life.node != run.node:
            self.store.runs.change(run.id, node=life.node)
        return life

    def tell_nodes(self, name: str, executor: Executor, live: Sequence[Run]) -> None:
        """Write down which nodes a cluster has, for every screen; seldom, and only what changed."""
        now = time.monotonic()
        if not executor.elsewhere or now - self._nodes_at.get(name, -NODES_EVERY) < NODES_EVERY:
            return
        self._nodes_at[name] = now
        before = self._nodes.get(name, {})
        try:
            nodes = [asdict(node) for node in executor.nodes(live)]
            told = {"nodes": nodes, "away": ""}
        except ExecutorAwayError as error:
            told = {"nodes": before.get("nodes", []), "away": str(error)}
        if told != before:
            self.store.documents.put(NODES, name, told)
            self._nodes[name] = told


def lost_end(life: Life) -> End | None:
    """Say that a worker was lost without its own fault; None where it was not."""
    if life.lost == "node":
        told = f"The node {life.node} was lost, and its worker with it."
        return End(told, {"how": "node_lost", "node": life.node})
    if life.lost == "job":
        told = "The cluster knows nothing of its worker any more, as after its head was restarted."
        return End(told, {"how": "job_forgotten"})
    if life.lost == "place":
        return End("The cluster took its place back.", {"how": "place_lost"})
    return None
