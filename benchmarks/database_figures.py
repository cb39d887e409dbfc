"""What a database of PostgreSQL has done so far, and what it took."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from sqlalchemy import text

from drpo.store import Store


def held(store: Store) -> dict[str, float]:
    """Rows that were written so far, transactions, and bytes on the disk."""
    with store.engine.connect() as connection:
        # Ids are given in order, and nothing is taken back while it is measured.
        rows = [
            connection.scalar(text(f"select coalesce(max(id), 0) from {table}"))
            for table in ("metrics", "samples")
        ]
        commits, size = connection.execute(
            text(
                "select xact_commit, pg_database_size(datname) from pg_stat_database "
                "where datname = current_database()"
            )
        ).one()
    return {"metric_rows": rows[0], "sample_rows": rows[1], "commits": commits, "bytes": size}


def standing(store: Store, server: psutil.Process, postgres: psutil.Process) -> dict[str, float]:
    """The same, with the seconds of processor time of the dashboard and of the database server."""
    of_postgres = sum(postgres.cpu_times()[:4]) + sum(map(cpu, postgres.children()))
    return held(store) | {"server": sum(server.cpu_times()[:2]), "postgres": of_postgres}


def cpu(process: psutil.Process) -> float:
    """Seconds of processor time; none of one that has just ended."""
    try:
        return float(sum(process.cpu_times()[:2]))
    except psutil.NoSuchProcess:
        return 0.0


@contextmanager
def counted(store: Store) -> Iterator[list[int]]:
    """Count the database's connections, again and again."""
    found: list[int] = []
    ended = threading.Event()
    query = text("select count(*) from pg_stat_activity where datname = current_database()")

    def count() -> None:
        while not ended.wait(0.5):
            with store.engine.connect() as connection:
                found.append(int(connection.scalar(query) or 0))

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
