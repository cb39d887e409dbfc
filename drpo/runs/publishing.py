"""What a worker puts into the object store beside its work; nothing where the home is a folder.

Training does not wait for it. At each checkpoint the run's files get second names, and a thread
uploads them; where the next checkpoint comes sooner than that ends, it takes the place of those
that wait. While the object store is away the newest are kept and tried again, and the run's events
say so afterwards.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from drpo import home
from drpo.errors import FilesAwayError, RunError, first_line
from drpo.runs.store_observer import StoreObserver
from drpo.store import Store
from drpo.store.schema import Run
from drpo.system import processes
from drpo.system.snapshot import freeze

log = logging.getLogger(__name__)

LOG_SECONDS = 15.0
"""Between two looks whether worker.log has grown."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds between two tries while the object store is away: twice as long each time."""
FETCH_PATIENCE = 300.0
"""Seconds that a worker which begins waits for the object store."""
TOLD_FROM = 5.0
"""Seconds; an object store that was away for less is not worth a note."""

Tell = Callable[[str, dict[str, Any]], object]
"""Told a sentence and what it says, for other languages."""


def is_mine(store: Store, run: Run, job: str | None) -> bool:
    """Whether this process still carries a run out: by its job, else by its place in the store."""
    now = store.runs.get(run.id)
    if job is not None:
        return now.job == job
    here = (os.getpid(), processes.start_time(os.getpid()), processes.hostname())
    return (now.pid, now.pid_started, now.host) == here


class PublishingObserver(StoreObserver):
    """A run's observer that puts what is saved into the object store, where the home is one.

    Args:
        store: Where everything else goes.
        run: The run.
        job: The name under which a cluster carries it out, if one does.
        stop_asked: As of `StoreObserver`.
    """

    def __init__(
        self, store: Store, run: Run, job: str | None, *, stop_asked: threading.Event | None
    ) -> None:
        super().__init__(store, run.id, stop_asked=stop_asked)
        self._folder = home.run_folder(run.id)
        self._publisher = Publisher(
            self._folder,
            lambda: is_mine(store, run, job),
            lambda told, facts: self.event(self.step, "note", told, facts),
        )

    def take_over(self) -> None:
        """Bring here what the object store has of the run, and put there what is saved from now on.

        Raises:
            FilesAwayError: The object store does not answer.
        """
        if home.home_url() is not None:
            self.progress("fetching files", 0, 0)
            home.mirror(self._folder, patience=FETCH_PATIENCE)
            self._publisher.start()

    def event(self, step: int, kind: str, message: str, payload: Mapping[str, Any]) -> None:
        """Write something that happened; what was saved then is put where others see it."""
        if kind in ("checkpoint", "stage"):
            self._publisher.saved()
        super().event(step, kind, message, payload)

    def hand_in(self, seconds: float) -> str:
        """Put what there is at the end, and wait for it so long.

        Returns:
            Why others cannot see it; empty where they can.
        """
        if home.home_url() is not None:
            self.progress("putting files", 0, 0)
            try:
                self._publisher.close(seconds)
            except FilesAwayError as error:
                log.warning("%s", error)
                return str(error)
        return ""


class Publisher:
    """Puts a run's files into the object store while it goes on.

    Args:
        folder: The run's.
        mine: Whether the run is still this process's; asked before anything is seen of it.
        tell: Told when the object store is back.
    """

    def __init__(self, folder: Path, mine: Callable[[], bool], tell: Tell) -> None:
        self._folder, self._mine, self._tell = folder, mine, tell
        self._waiting: Path | None = None
        """The newest files that are still to be put."""
        self._busy = False
        self._change = threading.Condition()
        self._ended = self._given_up = False
        self._tidied = False
        self._put: dict[Path, int] = {}
        self._away_since: float | None = None
        self._why = ""
        self._thread = threading.Thread(target=self._work, name="drpo-publish", daemon=True)

    def start(self) -> None:
        """Begin; what a process that was killed left half-way goes."""
        for left in self._folder.glob(".publish-*.part"):
            shutil.rmtree(left, ignore_errors=True)
        self._thread.start()

    def saved(self) -> None:
        """Something was saved that others shall see; returns at once."""
        if not self._thread.is_alive():
            return
        try:
            place = Path(tempfile.mkdtemp(dir=self._folder, prefix=".publish-", suffix=".part"))
            freeze(self._folder, place, lambda path: path.name == "order.json")
        except OSError:
            # Training must not end with it; the next checkpoint tries again.
            log.exception("what was saved cannot be set apart to be put")
            return
        with self._change:
            late, self._waiting = self._waiting, place
            self._change.notify_all()
        if late is not None:
            shutil.rmtree(late, ignore_errors=True)

    def close(self, seconds: float) -> None:
        """Put what there is at the end, and wait for it so long.

        Raises:
            FilesAwayError: It could not be put.
        """
        if not self._thread.is_alive():
            return
        self.saved()
        with self._change:
            self._ended = True
            self._change.notify_all()
            done = self._change.wait_for(lambda: not (self._busy or self._waiting), seconds)
            self._given_up = not done
        if not done:
            raise FilesAwayError(
                f"The run's files could not be put into {home.home_url()} ({self._why}). They are "
                f"in {self._folder} on {processes.hostname()}: resume the run there when the "
                "object store is back."
            )
        self._thread.join()

    def _work(self) -> None:
        wait = FIRST_WAIT
        while True:
            with self._change:
                ready = self._change.wait_for(lambda: self._waiting or self._ended, LOG_SECONDS)
                place, self._waiting = self._waiting, None
                self._busy = place is not None
                given_up = self._given_up
            if given_up:
                self._let_go(place)
                return
            try:
                # The log before the manifest: who sees a checkpoint finds what led to it. Neither
                # over what another worker of the run has put.
                mine = self._mine()
                if mine:
                    self._put_live()
                if not mine or (place is not None and not self._put_all(place)):
                    log.error("the run is another worker's by now; nothing more is put")
                    self._let_go(place)
                    return
                self._is_back()
                wait = FIRST_WAIT
            except Exception as error:
                # Whatever is wrong with a copy, hours of training must not end with it.
                self._is_away(error, place)
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            self._let_go(place)
            if ready and self._ended and place is None:
                return

    def _let_go(self, place: Path | None) -> None:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
        with self._change:
            self._busy = False
            self._change.notify_all()

    def _put_all(self, place: Path) -> bool:
        put = home.publish(self._folder, content=place, is_mine=self._mine, patience=0)
        if put and not self._tidied:
            home.tidy(self._folder, patience=0)
            self._tidied = True
        return put

    def _put_live(self) -> None:
        for path in home.live_files(self._folder):
            size = path.stat().st_size if path.is_file() else 0
            if size != self._put.get(path, 0):
                home.publish_file(path, patience=0)
                self._put[path] = size

    def _is_away(self, error: Exception, place: Path | None) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            expected = isinstance(error, FilesAwayError | RunError)
            log.warning("nothing can be put now: %s", error, exc_info=not expected)
        self._why = first_line(error)
        with self._change:
            if self._waiting is None:
                self._waiting, place = place, None
            self._busy = False
            self._change.notify_all()
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)

    def _is_back(self) -> None:
        if self._away_since is None:
            return
        seconds = time.monotonic() - self._away_since
        self._away_since = None
        if seconds >= TOLD_FROM:
            told = f"The object store was away for {seconds:.0f} s; the run's files are in it now."
            self._tell(told, {"how": "files_away", "seconds": round(seconds)})
