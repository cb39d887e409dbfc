"""Who did what, when, and how it ended: rows are added, and never changed or taken away."""

from __future__ import annotations

import time
from collections.abc import Collection

from sqlalchemy import DDL, Index, Integer, String, event, select
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from drpo.store.schema import NEVER_REUSED, Base

LONGEST = 200
"""Signs of a row's texts; what is longer is cut."""


class AuditRow(Base):
    """Somebody did something, or was refused: see `drpo.access`."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_who", "who", "action"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(default=time.time)
    who: Mapped[str] = mapped_column(String(200), default="")
    """An address; empty where nobody signs in."""
    role: Mapped[str] = mapped_column(String(16), default="")
    action: Mapped[str] = mapped_column(String(16))
    what: Mapped[str] = mapped_column(String(200), default="")
    outcome: Mapped[str] = mapped_column(String(16))
    """done, refused or failed."""
    detail: Mapped[str] = mapped_column(String(200), default="")


def _never_changed(table: object) -> None:
    """Let the database itself keep the rows of a table as they were written."""
    told = "rows of the audit list are never changed"
    for verb in ("UPDATE", "DELETE"):
        event.listen(
            table,
            "after_create",
            DDL(  # type: ignore[no-untyped-call]
                f"CREATE TRIGGER IF NOT EXISTS audit_no_{verb.lower()} BEFORE {verb} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{told}'); END"
            ).execute_if(dialect="sqlite"),
        )
    for statement in (
        "CREATE OR REPLACE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{told}'; END $$",
        "CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit "
        "FOR EACH ROW EXECUTE FUNCTION audit_stays()",
    ):
        kept = DDL(statement)  # type: ignore[no-untyped-call]
        event.listen(table, "after_create", kept.execute_if(dialect="postgresql"))


_never_changed(AuditRow.__table__)


class Audit:
    """The audit list. The database itself refuses to change or remove its rows."""

    def __init__(self, session: sessionmaker[Session]) -> None:
        self._session = session

    def add(
        self, who: str, role: str, action: str, what: str, outcome: str, detail: str = ""
    ) -> None:
        """Write down one thing that was done, or refused.

        Args:
            who: The person's address; "" where nobody signs in.
            role: Their role at that moment.
            action: What they asked for.
            what: To what.
            outcome: done, refused or failed.
            detail: Why it was refused or failed.
        """
        row = AuditRow(
            who=who[:LONGEST],
            role=role,
            action=action,
            what=what[:LONGEST],
            outcome=outcome,
            detail=detail[:LONGEST],
        )
        with self._session.begin() as session:
            session.add(row)

    def all(self, *, who: str | None = None, limit: int = 500) -> list[AuditRow]:
        """Return the newest rows, newest first; of one person where one is named."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if who is not None:
            query = query.where(AuditRow.who == who)
        with self._session() as session:
            return list(session.scalars(query))

    def people(self) -> list[str]:
        """Return the addresses of all who have asked for anything."""
        query = select(AuditRow.who).where(AuditRow.who != "").distinct()
        with self._session() as session:
            return sorted(session.scalars(query))

    def things(self, who: str, actions: Collection[str]) -> set[str]:
        """Return what a person has done one of these to."""
        query = (
            select(AuditRow.what)
            .where(AuditRow.who == who, AuditRow.action.in_(actions), AuditRow.outcome == "done")
            .distinct()
        )
        with self._session() as session:
            return {what for what in session.scalars(query) if what}
