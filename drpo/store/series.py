"""Metrics and samples: long tables that are only ever appended to and read by cursor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import case, delete, func, insert, select
from sqlalchemy.orm import Session, sessionmaker

from drpo.metrics import OWN_STEPS
from drpo.store import metric_blocks
from drpo.store.schema import Metric, SampleRow
from drpo.types import Sample

if TYPE_CHECKING:
    import pandas as pd


class Metrics:
    """The metrics table, one row a value."""

    def __init__(self, session: sessionmaker[Session]) -> None:
        self._session = session

    def append(
        self, run_id: str, step: int, values: Mapping[str, float], *, again: bool = False
    ) -> None:
        """Write the metrics of one step; values that are not finite are left out.

        Args:
            run_id: The run.
            step: Updates done.
            values: By name.
            again: They may stand there already, and then take their own place.
        """
        rows = [
            {"run_id": run_id, "step": step, "name": name, "value": float(value)}
            for name, value in values.items()
            if math.isfinite(value)
        ]
        if not rows:
            return
        with self._session.begin() as session:
            if again:
                same = (Metric.run_id == run_id) & (Metric.step == step)
                names = [row["name"] for row in rows]
                metric_blocks.forget(session, run_id)
                session.execute(delete(Metric).where(same, Metric.name.in_(names)))
            session.execute(insert(Metric), rows)

    def since(
        self, run_id: str, cursor: int = 0, *, names: Iterable[str] | None = None
    ) -> pd.DataFrame:
        """Return rows above the cursor with columns id, step, name, value, in order of id."""
        query = (
            select(Metric.id, Metric.step, Metric.name, Metric.value)
            .where(Metric.run_id == run_id, Metric.id > cursor)
            .order_by(Metric.id)
        )
        if names is not None:
            query = query.where(Metric.name.in_(tuple(names)))
        import pandas as pd  # half a second that `drpo stop` should not wait for

        with self._session() as session:
            blocks = [] if cursor or names is not None else metric_blocks.read(session, run_id)
            if blocks:
                query = query.where(Metric.id > int(blocks[-1]["id"].iloc[-1]))
            rows = session.execute(query).all()
        frame = pd.DataFrame(rows, columns=list(metric_blocks.COLUMNS))
        if not blocks:
            return frame
        return pd.concat([*blocks, *([frame] if rows else [])], ignore_index=True)

    def pack(self, run_id: str) -> None:
        """Repeat old rows in blocks, as many as there are, so that reading all of a run is fast."""
        while metric_blocks.pack(self._session, run_id):
            pass

    def of_runs(
        self, run_ids: Iterable[str], names: Iterable[str]
    ) -> list[tuple[str, int, str, float]]:
        """Return (run, step, name, value) of a few metrics of many runs, in order of writing."""
        query = (
            select(Metric.run_id, Metric.step, Metric.name, Metric.value)
            .where(Metric.run_id.in_(tuple(run_ids)), Metric.name.in_(tuple(names)))
            .order_by(Metric.id)
        )
        with self._session() as session:
            rows = session.execute(query).all()
        return [(run_id, step, name, value) for run_id, step, name, value in rows]

    def names(self, run_id: str) -> list[str]:
        """Return the names of all metrics of a run, sorted."""
        query = select(Metric.name).where(Metric.run_id == run_id).distinct()
        with self._session() as session:
            return sorted(session.scalars(query))

    def forget(self, run_id: str, prefix: str) -> None:
        """Forget a stage's curves: everything named `prefix/...`."""
        mine = (Metric.run_id == run_id) & Metric.name.startswith(f"{prefix}/", autoescape=True)
        with self._session.begin() as session:
            metric_blocks.forget(session, run_id)
            session.execute(delete(Metric).where(mine))

    def truncate(self, run_id: str, *, after_step: int) -> None:
        """Forget what a resumed run will write again; finished stages count steps of their own."""
        policy_only = [Metric.name.not_like(f"{stage}/%") for stage in OWN_STEPS]
        with self._session.begin() as session:
            metric_blocks.forget(session, run_id)
            session.execute(
                delete(Metric).where(
                    Metric.run_id == run_id, Metric.step > after_step, *policy_only
                )
            )


class Samples:
    """The samples table: held-out answers of every evaluation, and training episodes."""

    def __init__(self, session: sessionmaker[Session]) -> None:
        self._session = session

    def append(self, run_id: str, samples: Sequence[Sample], *, again: bool = False) -> None:
        """Write samples down.

        Args:
            run_id: The run.
            samples: All of their kind and step.
            again: They may stand there already, and then take their own place.
        """
        if not samples:
            return
        with self._session.begin() as session:
            for step, kind in {(s.step, s.kind) for s in samples} if again else ():
                same = (SampleRow.run_id == run_id) & (SampleRow.step == step)
                session.execute(delete(SampleRow).where(same, SampleRow.kind == kind))
            session.execute(insert(SampleRow), [{"run_id": run_id, **asdict(s)} for s in samples])

    def steps(self, run_id: str, kind: str = "heldout") -> list[int]:
        """Return the steps at which samples of a kind were kept, ascending."""
        query = (
            select(SampleRow.step)
            .where(SampleRow.run_id == run_id, SampleRow.kind == kind)
            .distinct()
            .order_by(SampleRow.step)
        )
        with self._session() as session:
            return list(session.scalars(query))

    def at(self, run_id: str, step: int, kind: str = "heldout") -> list[SampleRow]:
        """Return the samples of one step, ordered by item."""
        query = (
            select(SampleRow)
            .where(SampleRow.run_id == run_id, SampleRow.kind == kind, SampleRow.step == step)
            .order_by(SampleRow.item, SampleRow.id)
        )
        with self._session() as session:
            return list(session.scalars(query))

    def newest(self, run_id: str) -> int:
        """Return the id of the row written last, 0 where there is none; cheap."""
        query = select(func.max(SampleRow.id)).where(SampleRow.run_id == run_id)
        with self._session() as session:
            return session.scalar(query) or 0

    def get(self, sample_id: int) -> SampleRow | None:
        """Return one sample."""
        with self._session() as session:
            return session.get(SampleRow, sample_id)

    def frame(self, run_id: str, *, kind: str, columns: Sequence[str]) -> pd.DataFrame:
        """Return some columns of all samples of a kind, without the texts one did not ask for."""
        picked = [getattr(SampleRow, column) for column in columns]
        query = (
            select(*picked)
            .where(SampleRow.run_id == run_id, SampleRow.kind == kind)
            .order_by(SampleRow.id)
        )
        import pandas as pd

        with self._session() as session:
            return pd.DataFrame(session.execute(query).all(), columns=list(columns))

    def by_depth(
        self, run_id: str, *, parts: int = 10
    ) -> list[tuple[int, int, int, float | None, float | None, float | None]]:
        """Return how training episodes went, by step and by how deep in an answer they started.

        Args:
            run_id: The run.
            parts: How many classes of depth an offline answer is divided into.

        Returns:
            (step, depth, episodes, mean score, mean gold, mean KL), where depth -1 is the bare
            prompt and 0 to `parts - 1` the part of the answer that the reset fell into.
        """
        reset = (SampleRow.start == "reset") & (SampleRow.offline_tokens > 0)
        # No division by zero, whichever branch the database computes.
        length = func.coalesce(func.nullif(SampleRow.offline_tokens, 0), 1)
        depth = case((reset, SampleRow.prefix_tokens * parts // length), else_=-1)
        query = (
            select(
                SampleRow.step,
                depth,
                func.count(),
                func.avg(SampleRow.score),
                func.avg(SampleRow.gold),
                func.avg(SampleRow.kl),
            )
            .where(SampleRow.run_id == run_id, SampleRow.kind == "episode")
            .group_by(SampleRow.step, depth)
            .order_by(SampleRow.step, depth)
        )
        with self._session() as session:
            rows = session.execute(query).all()
        return [(step, deep, n, score, gold, kl) for step, deep, n, score, gold, kl in rows]

    def depth_by_prompt(self, run_id: str) -> list[tuple[int, int, float]]:
        """Return how much of its answer each prompt was given, by step.

        Returns:
            (step, item, share) of the prompts that were reset, the share in [0, 1) and averaged
            over a step's resets of one prompt; in the order of steps.
        """
        length = func.nullif(SampleRow.offline_tokens, 0)
        share = func.avg(SampleRow.prefix_tokens * 1.0 / length)
        query = (
            select(SampleRow.step, SampleRow.item, share)
            .where(
                SampleRow.run_id == run_id,
                SampleRow.kind == "episode",
                SampleRow.start == "reset",
                SampleRow.offline_tokens > 0,
            )
            .group_by(SampleRow.step, SampleRow.item)
            .order_by(SampleRow.step, SampleRow.item)
        )
        with self._session() as session:
            return [(step, item, float(given)) for step, item, given in session.execute(query)]

    def last_step(self, run_id: str, kind: str = "heldout") -> int | None:
        """Return the newest step with samples."""
        query = select(func.max(SampleRow.step)).where(
            SampleRow.run_id == run_id, SampleRow.kind == kind
        )
        with self._session() as session:
            return session.scalar(query)

    def truncate(self, run_id: str, *, after_step: int) -> None:
        """Forget what a resumed run will write again."""
        with self._session.begin() as session:
            session.execute(
                delete(SampleRow).where(SampleRow.run_id == run_id, SampleRow.step > after_step)
            )
