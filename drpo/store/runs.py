"""Runs, what happened to them, and what people ask of them."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from drpo.errors import RunError
from drpo.store.earlier import spellings
from drpo.store.schema import LIVE_STATUSES, STATUSES, Command, Dataset, EventRow, Run

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

    def move(self, run_id: str, *, from_statuses: Iterable[str], to: str) -> bool:
        """Change the status only if it is still one of `from_statuses`; say whether it was.

        Two supervisors may see the same queued run; this lets exactly one of them take it.
        """
        with self._session.begin() as session:
            done = session.execute(
                update(Run)
                .where(Run.id == run_id, Run.status.in_(tuple(from_statuses)))
                .values(status=to)
            )
            return bool(done.rowcount == 1)  # type: ignore[attr-defined]

    def requeue(self, run_id: str, *, from_statuses: Iterable[str]) -> bool:
        """Queue an ended run again; say whether this call did it.

        What was asked of its ended worker must not stop the new one. All of it in one transaction:
        of several that ask at once one does it, and what a person asks of the new worker stands.
        """
        with self._session.begin() as session:
            done = session.execute(
                update(Run)
                .where(Run.id == run_id, Run.status.in_(tuple(from_statuses)))
                .values(status="queued", stage="queued", error="", finished_at=None)
            )
            if done.rowcount == 0:  # type: ignore[attr-defined]
                return False
            session.execute(
                update(Command)
                .where(Command.run_id == run_id, Command.done_at.is_(None))
                .values(done_at=time.time())
            )
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


class Events:
    """What happened, in order."""

    def __init__(self, session: sessionmaker[Session]) -> None:
        self._session = session

    def add(
        self,
        run_id: str,
        step: int,
        kind: str,
        message: str,
        payload: Mapping[str, Any] | None = None,
        who: str = "",
        *,
        at: float | None = None,
        again: bool = False,
    ) -> int:
        """Write one event and return its id.

        Args:
            run_id: The run.
            step: Updates done.
            kind: What sort of thing happened.
            message: What happened, in a sentence.
            payload: Its figures.
            who: Who did it.
            at: When it happened, in seconds since 1970; now by default.
            again: It may stand there already, with this very time, and is then left as it is.
        """
        row = EventRow(
            run_id=run_id,
            step=step,
            kind=kind,
            message=message,
            payload=dict(payload or {}),
            who=who,
            created_at=time.time() if at is None else at,
        )
        same = select(EventRow.id).where(
            EventRow.run_id == run_id, EventRow.kind == kind, EventRow.created_at == row.created_at
        )
        with self._session.begin() as session:
            known = session.scalar(same) if again else None
            if known is not None:
                return known
            session.add(row)
        return row.id

    def setting_changes(self, run_id: str) -> list[dict[str, Any]]:
        """Return the settings changed in mid-run, in order: with the config, what happened."""
        return self.setting_changes_of([run_id]).get(run_id, [])

    def setting_changes_of(self, run_ids: Collection[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the same for several runs at once, of those in which anything was changed."""
        query = (
            select(EventRow)
            .where(EventRow.run_id.in_(run_ids), EventRow.kind.in_(spellings(["setting"])))
            .order_by(EventRow.id)
        )
        found: dict[str, list[dict[str, Any]]] = {}
        with self._session() as session:
            for event in session.scalars(query):
                if not {"name", "old", "new"} <= event.payload.keys():
                    continue  # nothing of ours; it still stands among the events
                change = {name: event.payload[name] for name in ("name", "old", "new")}
                found.setdefault(event.run_id, []).append(
                    {"step": event.step, "who": event.who, **change}
                )
        return found

    def amend(self, event_id: int, message: str, payload: Mapping[str, Any]) -> None:
        """Rewrite what an event says; a repeated alarm folds into its first event this way."""
        with self._session.begin() as session:
            session.execute(
                update(EventRow)
                .where(EventRow.id == event_id)
                .values(message=message, payload=dict(payload))
            )

    def since(
        self, run_id: str, cursor: int = 0, *, kinds: Iterable[str] | None = None
    ) -> list[EventRow]:
        """Return the events with an id above the cursor, oldest first."""
        query = (
            select(EventRow)
            .where(EventRow.run_id == run_id, EventRow.id > cursor)
            .order_by(EventRow.id)
        )
        if kinds is not None:
            query = query.where(EventRow.kind.in_(spellings(kinds)))
        with self._session() as session:
            return list(session.scalars(query))

    def truncate(self, run_id: str, *, after_step: int, kinds: Iterable[str]) -> None:
        """Forget events of these kinds that a resumed run will write again."""
        with self._session.begin() as session:
            session.execute(
                delete(EventRow).where(
                    EventRow.run_id == run_id,
                    EventRow.step > after_step,
                    EventRow.kind.in_(spellings(kinds)),
                )
            )

    def remove(self, event_id: int) -> None:
        """Forget one event."""
        with self._session.begin() as session:
            session.execute(delete(EventRow).where(EventRow.id == event_id))


class Commands:
    """What people asked live runs to do."""

    def __init__(self, session: sessionmaker[Session]) -> None:
        self._session = session

    def add(
        self, run_id: str, kind: str, payload: Mapping[str, Any] | None = None, who: str = ""
    ) -> int:
        """Ask for something; the worker applies it between two updates."""
        row = Command(run_id=run_id, kind=kind, payload=dict(payload or {}), who=who)
        with self._session.begin() as session:
            session.add(row)
        return row.id

    def pending(self, run_id: str) -> list[Command]:
        """Return what is still to be applied, oldest first."""
        query = (
            select(Command)
            .where(Command.run_id == run_id, Command.done_at.is_(None))
            .order_by(Command.id)
        )
        with self._session() as session:
            return list(session.scalars(query))

    def done(self, command_ids: Iterable[int]) -> None:
        """Mark commands as applied."""
        with self._session.begin() as session:
            session.execute(
                update(Command)
                .where(Command.id.in_(tuple(command_ids)))
                .values(done_at=time.time())
            )
