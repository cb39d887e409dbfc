"""Between training and the trackers: a queue, a thread, and nothing that may fail."""

from __future__ import annotations

import logging
import math
import queue
import threading
from collections.abc import Callable, Mapping, Sequence

from drpo.trackers.backends import OPEN
from drpo.trackers.tracker import About, Tracker
from drpo.types import Sample

log = logging.getLogger(__name__)

WAITING = 10_000
"""Things that may wait; with a tracker that does not keep up later ones are dropped and logged."""
PATIENCE = 3
"""Failures in a row after which a tracker is told nothing more."""
END_SECONDS = 120.0
"""What a run's end waits for trackers."""

Telling = Callable[[Tracker], None]


class Relay:
    """Tells trackers of one run, in order, from a thread of its own.

    Args:
        names: Which; one that cannot be opened is logged and left out.
        about: The run.
    """

    def __init__(self, names: Sequence[str], about: About) -> None:
        self._queue: queue.Queue[Telling | None] = queue.Queue(WAITING)
        self._names, self._about = tuple(names), about
        self._dropped = 0
        self._thread = threading.Thread(target=self._deliver, name="drpo-trackers", daemon=True)
        self._thread.start()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Pass metrics on; returns at once."""
        kept = {name: value for name, value in values.items() if math.isfinite(value)}
        self._put(lambda tracker: tracker.metrics(step, kept))

    def samples(self, samples: Sequence[Sample]) -> None:
        """Pass answers on, those of one step and kind together; returns at once."""
        groups: dict[tuple[int, str], list[Sample]] = {}
        for one in samples:
            groups.setdefault((one.step, one.kind), []).append(one)
        for (step, kind), several in groups.items():
            self._put(lambda tracker, s=step, k=kind, g=several: tracker.samples(s, k, g))  # type: ignore[misc]

    def event(self, step: int, kind: str, message: str) -> None:
        """Pass on that something happened; returns at once."""
        self._put(lambda tracker: tracker.event(step, kind, message))

    def close(self, seconds: float = END_SECONDS) -> None:
        """Let the trackers finish, for a while at most."""
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            log.warning("the trackers did not keep up; what they lack is in the store")
            return
        self._thread.join(seconds)
        if self._thread.is_alive():
            log.warning("a tracker was not done after %.0f s and was left", seconds)

    def _put(self, telling: Telling) -> None:
        try:
            self._queue.put_nowait(telling)
        except queue.Full:
            if not self._dropped:
                log.warning("the trackers do not keep up; what they lack is in the store")
            self._dropped += 1

    def _deliver(self) -> None:
        trackers = {name: opened for name in self._names if (opened := self._open(name))}
        failed = dict.fromkeys(trackers, 0)
        while (telling := self._queue.get()) is not None:
            for name, tracker in list(trackers.items()):
                failed[name] = 0 if _told(name, tracker, telling) else failed[name] + 1
                if failed[name] == PATIENCE:
                    log.warning("%s failed %d times in a row and is told no more", name, PATIENCE)
                    del trackers[name]
        for name, tracker in trackers.items():
            _told(name, tracker, lambda one: one.close())

    def _open(self, name: str) -> Tracker | None:
        try:
            tracker = OPEN[name](self._about)
        except Exception:
            log.exception("%s could not be opened; the run goes on without it", name)
            return None
        log.info("reports to %s", name)
        return tracker


def _told(name: str, tracker: Tracker, telling: Telling) -> bool:
    try:
        telling(tracker)
    except Exception:
        log.exception("%s did not take something; the run goes on", name)
        return False
    return True
