"""Runs: where each stands, and who carries it out."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from drpo.errors import RunError
from drpo.store.schema import LIVE_STATUSES, STATUSES, Command, Dataset, Run

if TYPE_CHECKING:
    from drpo.config.run_config import RunConfig  # its models take a while to build

SOURCES = ("data", "heldout", "demonstrations")
"""Settings that may name a saved data set."""


def new_id(name: str) -> str:
    """An id for a new run, made from its name: readable and unique."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "run"
    return f"{slug}-{secrets.token_hex(3)}"


class Runs:
    """The runs table."""

    def __init__(self, session: sessionmaker[Session]) -> None:
        self._session = session

    def create(
        self,
        config: RunConfig,
        *,
        sweep_id: str | None = None,
        story: str = "",
        run_id: str | None = None,
    ) -> Run:
        """Put a run in the queue and return it; its id is readable and unique.

        Args:
            config: Its settings; the stored ones name saved data sets as `pinned` does.
            sweep_id: The sweep it belongs to.
            story: The demo story or pilot it belongs to.
            run_id: An id to give it; without one an id is made from its name. A sweep gives one,
                so that two supervisors cannot queue the same run twice.

        Raises:
            RunError: There is a run of the given id already.
        """
        name = config.run.name or f"{config.run.method}-{time.strftime('%m%d-%H%M%S')}"
        run = Run(
            id=run_id or new_id(name),
            name=name,
            config=self.pinned(config).model_dump(mode="json"),
            sweep_id=sweep_id,
            story=story,
        )
        try:
            with self._session.begin() as session:
                session.add(run)
        except IntegrityError as error:
            raise RunError(f"There is a run {run.id!r} already.") from error
        return self.get(run.id)

    def pinned(self, config: RunConfig) -> RunConfig:
        """Return the settings with every saved data set named by its version, as `name:version`.

        A bare name means the newest version, and so another one once that is saved: a run that
        goes on, or a later run of the same plan, would learn from other pairs, and be measured on
        prompts that it was trained on. Ids, files and Hub names stay as they are.
        """
        with self._session() as session:
            query = select(Dataset.id, Dataset.name, Dataset.version)
            saved = session.execute(query.where(Dataset.deleted_at.is_(None))).all()
        newest: dict[str, int] = {}
        for _, name, version in saved:
            newest[name] = max(version, newest.get(name, 0))
        for identity, name, version in saved:  # either is found before a set of that very name
            newest.pop(identity, None)
            newest.pop(f"{name}:{version}", None)
        asked = {leaf: getattr(config.data, leaf) for leaf in SOURCES}
        return config.replace(
            **{leaf: f"{name}:{newest[name]}" for leaf, name in asked.items() if name in newest}
        )

    def get(self, run_id: str) -> Run:
        """Return one run.

        Raises:
            RunError: There is no run of that id.
        """
        with self._session() as session:
            run = session.get(Run, run_id)
        if run is None:
            raise RunError(f"No run {run_id!r} here; `drpo runs` lists those there are.")
        return run

    def exists(self, run_id: str) -> bool:
        """Say whether there is a run of this id; what mentions one may outlive it."""
        with self._session() as session:
            return session.get(Run, run_id) is not None

    def find(self, text: str) -> Run:
        """Return the run with this id, or the only one whose id or name begins so.

        Raises:
            RunError: None or several fit.
        """
        with self._session() as session:
            fits = session.scalars(
                select(Run).where(
                    Run.deleted_at.is_(None),
                    Run.id.startswith(text, autoescape=True)
                    | Run.name.startswith(text, autoescape=True),
                )
            ).all()
        exact = [run for run in fits if run.id == text]
        if exact:
            return exact[0]
        if len(fits) == 1:
            return fits[0]
        if not fits:
            raise RunError(f"No run {text!r} here; `drpo runs` lists those there are.")
        raise RunError(
            f"{len(fits)} runs begin with {text!r}: {', '.join(run.id for run in fits[:5])}; "
            "give more of the id."
        )

    def all(
        self,
        *,
        statuses: Iterable[str] | None = None,
        sweep_id: str | None = None,
        story: str | None = None,
        archived: bool = False,
        deleted: bool = False,
        limit: int = 1000,
    ) -> list[Run]:
        """Return runs, pinned first, then newest first."""
        query = select(Run).order_by(Run.pinned.desc(), Run.created_at.desc()).limit(limit)
        if statuses is not None:
            query = query.where(Run.status.in_(tuple(statuses)))
        if sweep_id is not None:
            query = query.where(Run.sweep_id == sweep_id)
        if story is not None:
            query = query.where(Run.story == story)
        if not archived:
            query = query.where(Run.archived.is_(False))
        query = query.where(Run.deleted_at.is_not(None) if deleted else Run.deleted_at.is_(None))
        with self._session() as session:
            return list(session.scalars(query))

    def change(self, run_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of Run
        """Set columns of one run."""
        status = values.get("status")
        if status is not None and status not in STATUSES:
            raise RunError(f"A run's status is one of {', '.join(STATUSES)}; got {status!r}.")
        with self._session.begin() as session:
            done = session.execute(update(Run).where(Run.id == run_id).values(**values))
            if done.rowcount == 0:  # type: ignore[attr-defined]
                raise RunError(f"No run {run_id!r} here; `drpo runs` lists those there are.")

    def move(
        self,
        run_id: str,
        *,
        from_statuses: Iterable[str],
        to: str,
        **values: Any,  # noqa: ANN401 - columns of Run
    ) -> bool:
        """Change the status only if it is still one of `from_statuses`; say whether it was.

        Two supervisors may see the same queued run; this lets exactly one of them take it.

        Args:
            run_id: The run.
            from_statuses: What it may stand at.
            to: What it stands at then.
            **values: Other columns that change with it.
        """
        with self._session.begin() as session:
            done = session.execute(
                update(Run)
                .where(Run.id == run_id, Run.status.in_(tuple(from_statuses)))
                .values(status=to, **values)
            )
            return bool(done.rowcount == 1)  # type: ignore[attr-defined]

    def begin(self, run_id: str, job: str, **values: Any) -> bool:  # noqa: ANN401 - columns of Run
        """Set columns only if the run is given to this very job; say whether it is.

        A cluster may start what waited in it after the run was given to another.
        """
        with self._session.begin() as session:
            mine = (Run.id == run_id) & (Run.job == job) & (Run.status == "running")
            done = session.execute(update(Run).where(mine).values(**values))
            return bool(done.rowcount == 1)  # type: ignore[attr-defined]

    def requeue(
        self,
        run_id: str,
        *,
        from_statuses: Iterable[str],
        settings: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        who: str = "",
        keep_asked: bool = False,
        job: str | None = None,
    ) -> bool:
        """Queue an ended run again; say whether this call did it.

        What was asked of its ended worker must not stop the new one. All of it in one transaction:
        of several that ask at once one does it, and what a person asks of the new worker stands.

        Args:
            run_id: The run.
            from_statuses: What it may stand at.
            settings: Values that it goes on with, before its next update.
            config: All its settings, where some of them are others from now on.
            who: Who asks.
            keep_asked: Whether what was asked of its worker is still to be done, as where nobody
                but its node ended it.
            job: Only where this is still the job that carries it out.
        """
        mine = Run.id == run_id if job is None else (Run.id == run_id) & (Run.job == job)
        values: dict[str, Any] = {} if config is None else {"config": dict(config)}
        values |= {"status": "queued", "stage": "queued", "error": "", "finished_at": None}
        values |= {"job": None, "node": None}
        with self._session.begin() as session:
            done = session.execute(
                update(Run).where(mine, Run.status.in_(tuple(from_statuses))).values(**values)
            )
            if done.rowcount == 0:  # type: ignore[attr-defined]
                return False
            if not keep_asked:
                session.execute(
                    update(Command)
                    .where(Command.run_id == run_id, Command.done_at.is_(None))
                    .values(done_at=time.time())
                )
            if settings:
                asked = Command(run_id=run_id, kind="set", payload=dict(settings), who=who)
                session.add(asked)
            return True

    def heartbeat(self, run_id: str) -> None:
        """Say that the worker is alive."""
        self.change(run_id, heartbeat_at=time.time())

    def hide(self, run_id: str) -> bool:
        """Mark a run as deleted unless it is live; say whether that was done.

        In one statement, so that a run resumed at the same moment is not hidden while it trains.
        """
        with self._session.begin() as session:
            done = session.execute(
                update(Run)
                .where(Run.id == run_id, Run.status.not_in(LIVE_STATUSES))
                .values(deleted_at=time.time())
            )
            return bool(done.rowcount == 1)  # type: ignore[attr-defined]

    def remove(self, run_id: str) -> None:
        """Erase a run and all its rows for good; the screen's delete only marks it."""
        with self._session.begin() as session:
            run = session.get(Run, run_id)
            if run is not None:
                session.delete(run)
