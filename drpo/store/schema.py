"""The tables: runs, metrics, samples, events, commands, votes, data sets, sweeps and notes.

Rows come back detached from their session, as plain records. Times are seconds since 1970 (UTC).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from drpo.home import portable, resolved
from drpo.store import earlier

VERSION = 3
"""Of the tables: 1 is drpo 0.1.0's, which wrote no number; 3 has the audit list."""

LIVE_STATUSES = ("queued", "running", "paused")
"""A worker has, or will have, something to do."""

STATUSES = (*LIVE_STATUSES, "finished", "stopped", "failed", "interrupted")
"""`stopped` was asked for and saved; `interrupted` lost its worker and can be resumed."""


NEVER_REUSED = {"sqlite_autoincrement": True}
"""SQLite gives the ids of erased rows away again, and a reader's cursor would step over the new
rows that a resumed run writes in their place; with this it does not."""


COUNTED = BigInteger().with_variant(Integer, "sqlite")
"""Of rows that a cluster's runs write for years: PostgreSQL's integer ends at 2,147,483,647. SQLite
counts up by itself under no other name than integer, which has 64 bits there."""


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012


class _Read(TypeDecorator[Any]):
    """A column that is read in the words of this version, whichever version wrote it."""

    reading: Callable[[Any], Any]

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002
        """Bring what the database holds to the present form."""
        return None if value is None else type(self).reading(value)


class _Portable(_Read):
    """A column whose paths into a machine's cache of the home mean the same on every machine."""

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002
        """Bring paths to the form that is the same everywhere."""
        return portable(value)


class StoredConfig(_Portable):
    """A run's settings."""

    impl = JSON
    cache_ok = True
    reading = staticmethod(lambda stored: resolved(earlier.config(stored)))


class StoredPlan(_Portable):
    """A sweep's plan, with the settings of its runs in it."""

    impl = JSON
    cache_ok = True
    reading = staticmethod(resolved)


class StoredKind(_Read):
    """An event's kind."""

    impl = String(32)
    cache_ok = True
    reading = staticmethod(earlier.event_kind)


class StoredPayload(_Read):
    """An event's payload."""

    impl = JSON
    cache_ok = True
    reading = staticmethod(earlier.event_payload)


class AnyText(TypeDecorator[str]):
    """Text that a model or a person wrote, whatever characters it holds."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Put U+FFFD where PostgreSQL, which refuses the whole write for it, has no U+0000."""
        if value is None or dialect.name == "sqlite":
            return value
        return value.replace("\0", "\ufffd")


class Run(Base):
    """One run: its frozen config, where it stands, and which process carries it out."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    config: Mapped[dict[str, Any]] = mapped_column(StoredConfig)
    status: Mapped[str] = mapped_column(String(16), default="queued", index=True)
    stage: Mapped[str] = mapped_column(String(32), default="queued")
    """What it is doing now: sft, reward model, drpo, evaluation ..."""
    step: Mapped[int] = mapped_column(default=0)
    """Policy updates done."""
    stage_done: Mapped[int] = mapped_column(default=0)
    stage_total: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(AnyText, default="")
    """The sentence a person reads; the traceback is in the worker's log."""
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """`first`, `last` (held-out figures), `episodes`, `wall_seconds`; kept by the worker."""

    created_at: Mapped[float] = mapped_column(default=time.time)
    started_at: Mapped[float | None] = mapped_column(default=None)
    finished_at: Mapped[float | None] = mapped_column(default=None)

    pid: Mapped[int | None] = mapped_column(default=None)
    pid_started: Mapped[float | None] = mapped_column(default=None)
    """The process's start time: a pid alone may since belong to another process."""
    host: Mapped[str] = mapped_column(String(255), default="")
    """The machine of that process: a pid says nothing on another one."""
    heartbeat_at: Mapped[float | None] = mapped_column(default=None)
    device: Mapped[str] = mapped_column(String(32), default="")
    job: Mapped[str | None] = mapped_column(String(128), default=None)
    """The name under which a cluster's worker writes for the run. Taken away with the run, so that
    a worker that was given up and lives on writes nothing any more; see `Store.guard`."""
    node: Mapped[str | None] = mapped_column(String(255), default=None)
    """The machine by its cluster's name, which need not be `host`."""

    sweep_id: Mapped[str | None] = mapped_column(ForeignKey("sweeps.id"), default=None, index=True)
    story: Mapped[str] = mapped_column(String(64), default="")
    """The demo story or pilot this run belongs to, e.g. `brake:<id>`."""
    tags: Mapped[list[str]] = mapped_column(default=list)
    pinned: Mapped[bool] = mapped_column(default=False)
    archived: Mapped[bool] = mapped_column(default=False)
    deleted_at: Mapped[float | None] = mapped_column(default=None)
    """Set by delete, cleared by undo; rows and files stay until somebody erases the run."""

    @property
    def trained_on_gold(self) -> bool:
        """Whether the policy was trained on the true score; its samples' score is then that one."""
        return bool(self.config["models"]["reward_source"] == "gold")


class Metric(Base):
    """One value of one metric after one update."""

    __tablename__ = "metrics"
    __table_args__ = (
        Index("ix_metrics_run_cursor", "run_id", "id"),
        Index("ix_metrics_run_name", "run_id", "name"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(COUNTED, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    step: Mapped[int]
    name: Mapped[str] = mapped_column(String(64))
    value: Mapped[float] = mapped_column(Float)


class MetricBlock(Base):
    """Metric rows of a run once more, many in a row: see `drpo.store.metric_blocks`."""

    __tablename__ = "metric_blocks"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    after_id: Mapped[int] = mapped_column(COUNTED, primary_key=True, autoincrement=False)
    """The last id of the block before; 0 for the first."""
    last_id: Mapped[int] = mapped_column(COUNTED)
    names: Mapped[list[str]]
    """The metrics that the codes stand for."""
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """NumPy's npz: ids, steps, codes, values."""


class SampleRow(Base):
    """One answer that was written down: see `drpo.types.Sample` for the fields' meaning."""

    __tablename__ = "samples"
    __table_args__ = (
        Index("ix_samples_run_step", "run_id", "kind", "step"),
        Index("ix_samples_run_cursor", "run_id", "id"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(COUNTED, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    step: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    item: Mapped[int]
    start: Mapped[str] = mapped_column(String(16))
    prompt: Mapped[str] = mapped_column(AnyText)
    prefix: Mapped[str] = mapped_column(AnyText, default="")
    response: Mapped[str] = mapped_column(AnyText)
    offline: Mapped[str] = mapped_column(AnyText, default="")
    prefix_pieces: Mapped[list[str] | None] = mapped_column(default=None)
    prefix_tokens: Mapped[int] = mapped_column(default=0)
    offline_tokens: Mapped[int] = mapped_column(default=0)
    response_tokens: Mapped[int] = mapped_column(default=0)
    finished: Mapped[bool] = mapped_column(default=True)
    score: Mapped[float | None] = mapped_column(default=None)
    gold: Mapped[float | None] = mapped_column(default=None)
    kl: Mapped[float | None] = mapped_column(default=None)
    offline_score: Mapped[float | None] = mapped_column(default=None)
    offline_gold: Mapped[float | None] = mapped_column(default=None)
    weights: Mapped[str] = mapped_column(String(64), default="")
    """Hash of the weights that wrote it."""


class EventRow(Base):
    """Something that happened at a step: a setting changed, an alarm, a pause, a stage's end."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_run_cursor", "run_id", "id"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(COUNTED, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    step: Mapped[int]
    kind: Mapped[str] = mapped_column(StoredKind)
    """setting, alarm, decision, pause, resume, stop, checkpoint, stage, error, note."""
    message: Mapped[str] = mapped_column(AnyText)
    payload: Mapped[dict[str, Any]] = mapped_column(StoredPayload, default=dict)
    who: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[float] = mapped_column(default=time.time)


class Command(Base):
    """What a person asked of a live run; applied between two updates, and `done` then."""

    __tablename__ = "commands"
    __table_args__ = (Index("ix_commands_pending", "run_id", "done_at"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    """pause, resume, stop, set, kill."""
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    who: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[float] = mapped_column(default=time.time)
    done_at: Mapped[float | None] = mapped_column(default=None)


class Dataset(Base):
    """A named version of preference pairs in the workspace."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), index=True)
    version: Mapped[int]
    path: Mapped[str] = mapped_column(Text)
    """Relative to the workspace."""
    content_hash: Mapped[str] = mapped_column(String(64))
    rows: Mapped[int]
    source: Mapped[str] = mapped_column(AnyText, default="")
    """The upload's own name, as text; never used as a path."""
    recipe: Mapped[dict[str, Any]] = mapped_column(default=dict)
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[float] = mapped_column(default=time.time)
    deleted_at: Mapped[float | None] = mapped_column(default=None)
    """Set by delete, cleared by restore; its files stay for 30 days."""


class Sweep(Base):
    """A plan of many runs."""

    __tablename__ = "sweeps"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(16), default="running")
    plan: Mapped[dict[str, Any]] = mapped_column(StoredPlan)
    created_at: Mapped[float] = mapped_column(default=time.time)


class Vote(Base):
    """One reviewer's choice between two answers to one prompt."""

    __tablename__ = "votes"
    __table_args__ = (Index("ix_votes_review", "review_id", "reviewer"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    review_id: Mapped[str] = mapped_column(String(64))
    reviewer: Mapped[str] = mapped_column(String(64))
    item: Mapped[str] = mapped_column(String(64))
    choice: Mapped[str] = mapped_column(String(16))
    """first, second, tie, both_bad or skip; first and second as in the item, not on screen."""
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Side shown, reason tags, seconds taken."""
    created_at: Mapped[float] = mapped_column(default=time.time)
    undone: Mapped[bool] = mapped_column(default=False)


class Document(Base):
    """A JSON document under a kind and a key: reviews, pilots, judge answers, results."""

    __tablename__ = "documents"

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    body: Mapped[dict[str, Any]]
    updated_at: Mapped[float] = mapped_column(default=time.time, onupdate=time.time)
