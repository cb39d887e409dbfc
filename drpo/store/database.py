"""Open the store and hand out its parts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import create_engine, event, select
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from drpo.errors import RunError
from drpo.home import home_url, workspace
from drpo.store.audit import Audit
from drpo.store.documents import Datasets, Documents, Sweeps, Votes
from drpo.store.events import Commands, Events
from drpo.store.migrate import bring_up_to_date, refuse_newer
from drpo.store.runs import Runs
from drpo.store.schema import Base, Run
from drpo.store.series import Metrics, Samples
from drpo.store.trash import Trash


class Store:
    """One connection pool and the tables behind it; safe to share between threads.

    Args:
        url: A SQLAlchemy URL; by default `DRPO_DATABASE_URL`, else `drpo.sqlite` in the workspace.
        busy_seconds: How long a write waits for another process's before it fails (SQLite).
        connections: How many connections a database server is asked for at most, which its threads
            then share; without it SQLAlchemy's 5, and 10 more while all are in use.

    Raises:
        RunError: The URL names no database that can be opened.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        busy_seconds: float = 30.0,
        connections: int | None = None,
    ) -> None:
        self.url = url or _configured_url()
        self.read_only = False
        """Whether the place cannot be written to; what is there can be looked at all the same."""
        file = _file_of(self.url)
        if file is not None and file.is_file() and not _may_write(file):
            self.read_only = True
            # What is in a journal that nobody could merge is not seen.
            self.url = f"sqlite:///file:{quote(str(file))}?mode=ro&immutable=1&uri=true"
        try:
            self.engine = _engine(self.url, busy_seconds, connections)
            if self.read_only:
                refuse_newer(self.engine)
            else:
                bring_up_to_date(self.engine, Base.metadata)
        except (SQLAlchemyError, ModuleNotFoundError) as error:
            raise RunError(_trouble(self.url, error)) from error
        self._session = session = sessionmaker(self.engine, expire_on_commit=False)
        self._guard: Callable[[Session], None] | None = None
        self.runs = Runs(session)
        self.metrics = Metrics(session)
        self.samples = Samples(session)
        self.events = Events(session)
        self.commands = Commands(session)
        self.datasets = Datasets(session)
        self.sweeps = Sweeps(session)
        self.votes = Votes(session)
        self.documents = Documents(session)
        self.trash = Trash(self.documents)
        self.audit = Audit(session)

    def guard(self, run_id: str, job: str, given_up: Callable[[], object]) -> None:
        """From now on write nothing once the run is given to another job than this one.

        A node that was cut off comes back with a worker that knows nothing of the one that went on
        in its place. Each write looks, before it counts, whose the run is, and holds that until it
        is written.

        Args:
            run_id: The run.
            job: The job that this process carries it out as.
            given_up: Called at the first write after that, in the thread that writes. It should
                end the process.
        """
        whose = select(Run.job).where(Run.id == run_id)
        if self.engine.dialect.name != "sqlite":  # whose writers are alone while they write
            whose = whose.with_for_update(read=True)

        def look(session: Session) -> None:
            if session.scalar(whose) != job:
                given_up()
                raise RunError(f"{run_id} was given to another worker than {job}.")

        event.listen(self._session, "before_commit", look)
        self._guard = look

    def unguard(self) -> None:
        """Write without looking again, to give the run back oneself."""
        if self._guard is not None:
            event.remove(self._session, "before_commit", self._guard)
            self._guard = None

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _file_of(url: str) -> Path | None:
    """The file of a SQLite store; None for other databases, and for what is no URL."""
    try:
        parts = make_url(url)
    except ArgumentError:
        return None
    plain = parts.get_backend_name() == "sqlite" and parts.database and "uri" not in parts.query
    return Path(str(parts.database)) if plain and parts.database != ":memory:" else None


def _may_write(file: Path) -> bool:
    """Whether a file can be written to, and a journal be laid beside it.

    It is never opened to see: closing it would drop the locks that SQLite holds on it for this
    process's other connections (POSIX), and another process could then remove their journal.
    """
    return os.access(file.parent, os.W_OK) and os.access(file, os.W_OK)


def _configured_url() -> str:
    """The store that the environment names.

    Raises:
        RunError: The home is an object store, and this is no server that all its machines reach.
    """
    named = os.environ.get("DRPO_DATABASE_URL", "")
    if home_url() is not None and not named.startswith("postgresql"):
        told = "names another one" if named else "is not set"
        raise RunError(
            f"DRPO_HOME is {home_url()}, an object store, which can hold files but no runs, and "
            f"DRPO_DATABASE_URL {told}. Expected a PostgreSQL server there, as "
            "postgresql+psycopg://user@host/name; or set DRPO_HOME to a folder."
        )
    if home_url() is not None:
        workspace().mkdir(parents=True, exist_ok=True)
    return named or _default_url()


def _default_url() -> str:
    folder = workspace()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = "is a file" if folder.is_file() else f"cannot be made ({error.strerror})"
        raise RunError(
            f"The workspace {folder} {what}; expected a folder that may be written. Set DRPO_HOME "
            "to another, or call drpo in another folder."
        ) from error
    return f"sqlite:///{folder / 'drpo.sqlite'}"


def _trouble(url: str, error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            f"The database that DRPO_DATABASE_URL names needs the Python package {error.name}, "
            "which is not installed; for PostgreSQL: pip install 'drpo[postgres]'."
        )
    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        shown = repr(url)
    why = str(getattr(error, "orig", None) or error).splitlines()[0]
    return (
        f"The store {shown} cannot be opened: {why}. Expected a database that is there and may be "
        "written, as sqlite:////folder/drpo.sqlite or postgresql://user@host/name in "
        "DRPO_DATABASE_URL; without it the store is a file in the workspace."
    )


def _engine(url: str, busy_seconds: float, connections: int | None) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        if connections is None:
            return create_engine(url, pool_pre_ping=True)
        return create_engine(url, pool_pre_ping=True, pool_size=connections, max_overflow=0)
    # Several processes write; a writer waits for another instead of failing.
    engine = create_engine(url, connect_args={"timeout": busy_seconds})

    if "immutable" in make_url(url).query:
        return engine

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:  # noqa: ANN401 - DBAPI objects
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # A power cut may lose the last moment of a chart, never the file.
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine
