"""How fast the store takes metrics in, says what is new, and opens a long run.

    python benchmarks/store.py [--rows 10000000]

A SQLite file of its own. Prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from drpo.analysis.metric_series import Feed  # noqa: E402
from drpo.config.run_config import RunConfig  # noqa: E402
from drpo.store import Store  # noqa: E402

NAMES = 50
"""Metrics of an update."""
FILL = """
with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < :count)
insert into metrics (run_id, step, name, value)
select :run, i / :names, 'metric/' || (i % :names), (i % 1000) / 7.0 from n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows there already")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/drpo.sqlite")
        config = RunConfig.of(data="pairs.jsonl", policy="policy")
        others = [store.runs.create(config).id for _ in range(10)]
        long = others[0]
        with store.engine.begin() as session:
            for run in others:
                count = asked.rows // len(others)
                session.execute(text(FILL), {"run": run, "names": NAMES, "count": count})
        found = {"rows": asked.rows, "in_a_second": written(store, store.runs.create(config).id)}
        store.metrics.pack(long)  # as its worker has done
        found |= {"new_ms": news(store, long), "open_ms": opened(store, long)}
        found["opened_rows"] = asked.rows // len(others)
        store.close()
    print(json.dumps(found))


def written(store: Store, run: str) -> float:
    """Metric rows a second of a run that writes one update after the other."""
    values = {f"metric/{n}": n / 7 for n in range(NAMES)}
    began, updates = time.perf_counter(), 0
    while time.perf_counter() - began < 2.0:
        store.metrics.append(run, updates, values)
        updates += 1
    return updates * NAMES / (time.perf_counter() - began)


def news(store: Store, run: str) -> list[float]:
    """Milliseconds of asking what is new after an update more, and of asking for nothing new."""
    took = []
    cursor = int(store.metrics.since(run)["id"].iloc[-1])
    for step in range(50):
        store.metrics.append(run, 10**6 + step, {f"metric/{n}": 0.5 for n in range(NAMES)})
        for expected in (NAMES, 0):
            began = time.perf_counter()
            rows = store.metrics.since(run, cursor)
            took.append(1e3 * (time.perf_counter() - began))
            assert len(rows) == expected
            cursor = int(rows["id"].max()) if len(rows) else cursor
    return spread(took)


def opened(store: Store, run: str) -> list[float]:
    """Milliseconds of reading all curves of a run, as a screen does that shows it first."""
    return spread([timed(Feed(store, run).refresh) for _ in range(7)])


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of a call."""
    began = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - began)


def spread(took: list[float]) -> list[float]:
    """Median, least and most."""
    return [statistics.median(took), min(took), max(took)]


if __name__ == "__main__":
    main()
