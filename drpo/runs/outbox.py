"""Writes to the store that training does not wait for: kept in order while the store is away.

A write that fails because the database is locked, full or gone stays at the head of the line, and
all later ones behind it, until it can be made. Everything in line is plain JSON, so that a
checkpoint carries it: a run that dies with the store away has lost nothing of what came before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from drpo.errors import RunError, first_line

log = logging.getLogger(__name__)
Result = TypeVar("Result")

BUSY_SECONDS = 2.0
"""How long one write of a worker waits for another process's before it gets in line."""
RETRY_SECONDS = 2.0
"""Between two tries while the store is away."""
MOST_WAITING = 100_000
"""Writes kept at most: a store that is gone for good must not fill the memory."""


class Outbox:
    """A line of writes, made one after the other.

    Args:
        makers: By kind, what makes a write. It is called with the write's values and with `again`:
            True where an earlier try may have come through, as when the connection broke before
            the answer came; then nothing may be written twice.
        recovered: Told when the store is back: how many seconds it was away, and how many writes
            waited.
    """

    def __init__(
        self,
        makers: Mapping[str, Callable[..., object]],
        recovered: Callable[[float, int], object],
    ) -> None:
        self.lost = 0
        """Writes that could not be made and never will be."""
        self._makers = makers
        self._recovered = recovered
        self._line: deque[tuple[str, dict[str, Any], bool]] = deque()
        self._making = threading.Lock()
        self._away_since: float | None = None
        self._waited = 0
        self._next_try = 0.0

    def put(self, what: str, /, **values: Any) -> None:  # noqa: ANN401 - any JSON
        """Make a write now, or keep it until the store is back; never raises, never waits long."""
        self._append(what, values, again=False)
        self.retry()

    def restore(self, unwritten: Iterable[Mapping[str, Any]]) -> None:
        """Take up what an earlier process may not have written; see `unwritten`."""
        for write in unwritten:
            self._append(write["kind"], dict(write["values"]), again=True)
        self.retry()

    def unwritten(self) -> list[dict[str, Any]]:
        """What is in line, as JSON."""
        return [{"kind": kind, "values": values} for kind, values, _ in list(self._line)]

    def retry(self) -> None:
        """Make what is in line, unless the store was away a moment ago or another thread does."""
        if not self._line or time.monotonic() < self._next_try:
            return
        if self._making.acquire(blocking=False):
            try:
                self._make_all()
            finally:
                self._making.release()

    def wait(self, seconds: float) -> bool:
        """Wait until everything is written, or for so long; say whether it is."""
        deadline = time.monotonic() + seconds
        self.retry()
        while self._line and time.monotonic() < deadline:
            time.sleep(0.1)
            self.retry()
        return not self._line

    def give_up(self) -> None:
        """Count what is still in line as lost."""
        self.lost += len(self._line)
        self._line.clear()

    def _append(self, kind: str, values: dict[str, Any], *, again: bool) -> None:
        if len(self._line) >= MOST_WAITING:
            self.lost += 1
            return
        self._line.append((kind, values, again))
        if self._away_since is not None:
            self._waited += 1

    def _make_all(self) -> None:
        while self._line:
            kind, values, again = self._line[0]
            try:
                self._makers[kind](**values, again=again)
            except Exception as error:
                if is_passing(error):
                    self._line[0] = (kind, values, True)
                    self._note_away(error)
                    return
                # Whatever is wrong with a chart, hours of training must not end with it.
                self.lost += 1
                log.exception("a write to the store was lost")
            self._line.popleft()
        if self._away_since is not None:
            away, waited = time.monotonic() - self._away_since, self._waited
            self._away_since, self._waited = None, 0
            log.warning("the store is back after %.0f s; %d writes were made up for", away, waited)
            self._recovered(away, waited)

    def _note_away(self, error: Exception) -> None:
        now = time.monotonic()
        if self._away_since is None:
            self._away_since, self._waited = now, len(self._line)
            log.warning("the store cannot be written to (%s); writes are kept", first_line(error))
        self._next_try = now + RETRY_SECONDS


def is_passing(error: Exception) -> bool:
    """Whether a write may succeed later: the database is locked, full, away or being restored."""
    if isinstance(error, RunError) and isinstance(error.__cause__, Exception):
        return is_passing(error.__cause__)  # a store that could not be opened says so in a sentence
    lasting = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
    passing = (DBAPIError, PoolTimeoutError, OSError)
    return isinstance(error, passing) and not isinstance(error, lasting)


def insist(write: Callable[[], Result], seconds: float = 120.0) -> Result:
    """Do what cannot be put off, such as a run's beginning, trying for so long.

    Raises:
        Exception: Whatever the last try raised.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return write()
        except Exception as error:
            if not is_passing(error) or time.monotonic() > deadline:
                raise
            log.warning("the store cannot be written to (%s); trying again", first_line(error))
        time.sleep(RETRY_SECONDS)
