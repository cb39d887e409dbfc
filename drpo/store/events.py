"""What happened to runs, and what people ask of them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, sessionmaker

from drpo.store.earlier import spellings
from drpo.store.schema import Command, EventRow


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

    def asked(self, run_ids: Iterable[str]) -> dict[str, set[str]]:
        """Return the kinds of what is still to be applied, by run; runs without any are absent."""
        query = select(Command.run_id, Command.kind).where(
            Command.run_id.in_(tuple(run_ids)), Command.done_at.is_(None)
        )
        found: dict[str, set[str]] = {}
        with self._session() as session:
            for run_id, kind in session.execute(query):
                found.setdefault(run_id, set()).add(kind)
        return found

    def done(self, command_ids: Iterable[int]) -> None:
        """Mark commands as applied."""
        with self._session.begin() as session:
            session.execute(
                update(Command)
                .where(Command.id.in_(tuple(command_ids)))
                .values(done_at=time.time())
            )
