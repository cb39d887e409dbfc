"""A lock that PostgreSQL keeps, for those who share no folder."""

from __future__ import annotations

import zlib
from contextlib import suppress

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError


class StoreLock:
    """A lock that the database lets go of when its holder's connection ends, however it ends.

    Args:
        engine: Of a PostgreSQL store.
        name: What is locked; the same for all who want it.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._key = zlib.crc32(name.encode())
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free; say whether it is now held here."""
        if self._connection is not None:
            try:
                self._connection.scalar(text("select 1"))
            except SQLAlchemyError:  # it was lost with its connection
                self.release()
            else:
                return True
        # Outside of the pool, which would give the connection to others, the lock with it.
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        if connection.scalar(text("select pg_try_advisory_lock(:key)"), {"key": self._key}):
            self._connection = connection
            return True
        connection.close()
        return False

    def release(self) -> None:
        """Let go."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()

    def holder(self) -> int | None:
        """None when it is free; a pid has no meaning on other machines, so 0 where it is not."""
        if self.acquire():
            self.release()
            return None
        return 0
