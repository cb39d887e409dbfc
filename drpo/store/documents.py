"""Data sets, sweeps, votes, and other documents people keep."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Text, cast, delete, func, select, update
from sqlalchemy.orm import Session, sessionmaker

from drpo.errors import DataError, RunError
from drpo.store.schema import Dataset, Document, Run, Sweep, Vote
from drpo.types import finite


class Datasets:
    """Named versions of preference pairs."""

    def __init__(self, session: sessionmaker[Session]) -> None:
        self._session = session

    def add(self, dataset: Dataset) -> None:
        """Write a version down; names and versions are given by `drpo.data`."""
        with self._session.begin() as session:
            session.add(dataset)

    def next_version(self, name: str) -> int:
        """Return the number the next version of this name gets, from 1."""
        with self._session() as session:
            newest = session.scalar(select(func.max(Dataset.version)).where(Dataset.name == name))
        return (newest or 0) + 1

    def get(self, dataset_id: str) -> Dataset:
        """Return a version by id, or the newest version of a name.

        Raises:
            DataError: There is none.
        """
        with self._session() as session:
            found = session.get(Dataset, dataset_id)
            if found is None or found.deleted_at is not None:
                found = session.scalars(
                    select(Dataset)
                    .where(Dataset.name == dataset_id, Dataset.deleted_at.is_(None))
                    .order_by(Dataset.version.desc())
                ).first()
        if found is None:
            raise DataError(f"No saved data set {dataset_id!r}; `drpo data list` shows all.")
        return found

    def all(self, *, deleted: bool = False) -> list[Dataset]:
        """Return all versions, newest first: those that are here, or those that were deleted."""
        gone = Dataset.deleted_at.is_not(None) if deleted else Dataset.deleted_at.is_(None)
        query = select(Dataset).where(gone).order_by(Dataset.created_at.desc())
        with self._session() as session:
            return list(session.scalars(query))

    def users(self, dataset: Dataset) -> list[str]:
        """Return the ids of runs that were trained on this version."""
        with self._session() as session:
            rows = session.execute(select(Run.id, Run.config, Run.created_at)).all()
            newer = session.scalar(
                select(func.min(Dataset.created_at)).where(
                    Dataset.name == dataset.name, Dataset.version > dataset.version
                )
            )
        exact = {dataset.id, f"{dataset.name}:{dataset.version}"}
        users = []
        for run_id, config, created_at in rows:
            named = {config["data"][part] for part in ("data", "heldout", "demonstrations")}
            # A bare name means the version that was the newest when the run was made.
            newest = dataset.created_at <= created_at and (newer is None or created_at < newer)
            if named & exact or (newest and dataset.name in named):
                users.append(run_id)
        return users

    def hide(self, dataset_id: str) -> None:
        """Take a version that no run uses out of all lists; `restore` brings it back.

        Raises:
            DataError: A run was trained on it.
        """
        dataset = self.get(dataset_id)
        users = self.users(dataset)
        if users:
            raise DataError(
                f"{dataset.name} version {dataset.version} is used by {', '.join(users[:3])}"
                f"{' and others' if len(users) > 3 else ''}; delete those runs first."
            )
        self._mark(dataset.id, time.time())

    def restore(self, dataset_id: str) -> None:
        """Bring a deleted version back as it was."""
        self._mark(dataset_id, None)

    def erase(self, dataset_id: str) -> None:
        """Forget a version for good."""
        with self._session.begin() as session:
            session.execute(delete(Dataset).where(Dataset.id == dataset_id))

    def _mark(self, dataset_id: str, deleted_at: float | None) -> None:
        with self._session.begin() as session:
            session.execute(
                update(Dataset).where(Dataset.id == dataset_id).values(deleted_at=deleted_at)
            )


class Sweeps:
    """Plans of many runs."""

    def __init__(self, session: sessionmaker[Session]) -> None:
        self._session = session

    def add(self, sweep: Sweep) -> None:
        """Write a plan down."""
        with self._session.begin() as session:
            session.add(sweep)

    def get(self, sweep_id: str) -> Sweep:
        """Return a sweep.

        Raises:
            RunError: There is none of that id.
        """
        with self._session() as session:
            sweep = session.get(Sweep, sweep_id)
        if sweep is None:
            raise RunError(f"No sweep {sweep_id!r} here.")
        return sweep

    def all(self) -> list[Sweep]:
        """Return all sweeps, newest first."""
        with self._session() as session:
            return list(session.scalars(select(Sweep).order_by(Sweep.created_at.desc())))

    def change(self, sweep_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of Sweep
        """Set columns of one sweep."""
        with self._session.begin() as session:
            session.execute(update(Sweep).where(Sweep.id == sweep_id).values(**values))


class Votes:
    """Reviewers' choices."""

    def __init__(self, session: sessionmaker[Session]) -> None:
        self._session = session

    def add(self, vote: Vote) -> int:
        """Write one choice down and return its id."""
        with self._session.begin() as session:
            session.add(vote)
        return vote.id

    def all(self, review_id: str, *, reviewer: str | None = None) -> list[Vote]:
        """Return the choices that stand, oldest first."""
        query = (
            select(Vote)
            .where(Vote.review_id == review_id, Vote.undone.is_(False))
            .order_by(Vote.id)
        )
        if reviewer is not None:
            query = query.where(Vote.reviewer == reviewer)
        with self._session() as session:
            return list(session.scalars(query))

    def undo(self, vote_id: int) -> None:
        """Take a choice back; the row stays for the record."""
        with self._session.begin() as session:
            session.execute(update(Vote).where(Vote.id == vote_id).values(undone=True))


class Documents:
    """JSON documents by kind and key."""

    def __init__(self, session: sessionmaker[Session]) -> None:
        self._session = session

    def put(self, kind: str, key: str, body: Mapping[str, Any]) -> None:
        """Write or overwrite one document; numbers that are not finite become None."""
        with self._session.begin() as session:
            session.merge(Document(kind=kind, key=key, body=finite(body)))

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return one document's body, or None."""
        with self._session() as session:
            document = session.get(Document, (kind, key))
        return None if document is None else document.body

    def all(self, kind: str, *, limit: int | None = None) -> list[Document]:
        """Return the documents of a kind, newest first, `limit` at most."""
        query = select(Document).where(Document.kind == kind).order_by(Document.updated_at.desc())
        query = query.limit(limit)
        with self._session() as session:
            return list(session.scalars(query))

    def remove(self, kind: str, key: str) -> None:
        """Erase one document, if it is there."""
        with self._session.begin() as session:
            session.execute(delete(Document).where(Document.kind == kind, Document.key == key))

    def remove_of(self, kind: str, run_id: str, *, after_step: int | None = None) -> None:
        """Erase the documents of a kind that are kept for a run, under `id` or `id@step`.

        So goes what another run was held `against` it for: without its answers nobody can check it.

        Args:
            kind: The documents' kind.
            run_id: The run.
            after_step: Only what belongs to later steps; all when not said.
        """
        steps = f"{run_id}@"
        mentions = (
            (Document.key == run_id)
            | Document.key.startswith(steps, autoescape=True)
            | cast(Document.body, Text).contains(steps, autoescape=True)
        )
        query = select(Document.key, Document.body).where(Document.kind == kind, mentions)
        gone = []
        with self._session.begin() as session:
            # The bodies are read here: a database's JSON functions fail over all documents where
            # one holds NaN, as earlier versions wrote it.
            for key, body in session.execute(query):
                against = str(body.get("against"))
                mine = key == run_id or key.startswith(steps) or against.startswith(steps)
                latest = _step_of(run_id, f"{key} {against}")
                if mine and (after_step is None or latest > after_step):
                    gone.append(key)
            session.execute(delete(Document).where(Document.kind == kind, Document.key.in_(gone)))


def _step_of(run_id: str, text: str) -> int:
    """The latest step of a run that a text mentions as `id@step`; -1 for none."""
    return max(map(int, re.findall(re.escape(run_id) + r"@(\d+)", text)), default=-1)
