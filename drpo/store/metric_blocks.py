"""A run's metric rows once more, many to a block, so that a run of a million points opens at once.

The rows stay the truth: blocks repeat the oldest of them, and what takes rows away takes the run's
blocks away too. An earlier version, which knows no blocks, may take rows away and leave them; so
blocks count only while the last row that they repeat is there.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from drpo.store.schema import Metric, MetricBlock

if TYPE_CHECKING:
    import pandas as pd  # with numpy half a second that `drpo stop` should not wait for

BLOCK = 20_000
"""Rows of a block."""
COLUMNS = ("id", "step", "name", "value")


def read(session: Session, run_id: str) -> list[pd.DataFrame]:
    """Return what a run's blocks hold, in order; nothing where they are out of date."""
    query = select(MetricBlock).where(MetricBlock.run_id == run_id).order_by(MetricBlock.last_id)
    blocks = list(session.scalars(query))
    if not blocks or session.get(Metric, blocks[-1].last_id) is None:
        return []
    return [_unpacked(block) for block in blocks]


def pack(sessions: sessionmaker[Session], run_id: str) -> bool:
    """Write the next block of a run, where there are rows enough; say whether there were.

    Whoever packs makes the same blocks, so that of two who do at once one finds it done.
    """
    import numpy as np

    with sessions() as session:
        query = select(func.max(MetricBlock.last_id)).where(MetricBlock.run_id == run_id)
        begin = session.scalar(query) or 0
        later = (Metric.run_id == run_id) & (Metric.id > begin)
        last = session.scalar(
            select(Metric.id).where(later).order_by(Metric.id).offset(BLOCK - 1).limit(1)
        )
        if last is None:
            return False
        rows = session.execute(
            select(Metric.id, Metric.step, Metric.name, Metric.value)
            .where(later, Metric.id <= last)
            .order_by(Metric.id)
        ).all()
    ids, steps, names, values = zip(*rows, strict=True)
    known, codes = np.unique(np.array(names), return_inverse=True)
    packed = io.BytesIO()
    np.savez(packed, ids=ids, steps=steps, codes=codes.astype(np.int16), values=values)
    block = MetricBlock(
        run_id=run_id, after_id=begin, last_id=last, names=known.tolist(), body=packed.getvalue()
    )
    try:
        with sessions.begin() as session:
            session.add(block)
            session.flush()
            # Rows may have been taken away since they were read; nobody else writes from here on.
            if session.get(Metric, last) is None:
                session.rollback()
    except IntegrityError:
        return True
    return True


def forget(session: Session, run_id: str) -> None:
    """Take a run's blocks away, where rows of it go."""
    session.execute(delete(MetricBlock).where(MetricBlock.run_id == run_id))


def _unpacked(block: MetricBlock) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    held = np.load(io.BytesIO(block.body), allow_pickle=False)
    # Taken from the few names, not made of many strings.
    name = pd.Index(block.names).take(held["codes"])
    columns = (held["ids"], held["steps"], name, held["values"])
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
