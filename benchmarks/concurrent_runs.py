"""What runs that go on at once cost the store, the supervisor and a dashboard, on PostgreSQL.

    python -m benchmarks.concurrent_runs [--runs 1 4 16 64] [--seconds 60] [--every 5] [--docs]

A PostgreSQL server of its own, which writes to the disk as usual; a supervisor, whose sweep of so
many runs is queued at once; a worker process for each, in whose training's place there are pauses
(see `paced_runs`): each says an update of the sample task `tldr`, 64 episodes, every five seconds.
Beside them one run that trains, a real dashboard, and two viewers of it, on Live and on Sweep (see
`load`). All of it shares this machine's processors; so figures of processor time stand beside those
of the clock. `--docs` writes the table into docs/executors.md. Ends with a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests")]

from browser.conftest import wait_until  # noqa: E402
from load import Viewer, watched  # noqa: E402
from postgres_server import database  # noqa: E402
from postgres_server import serving as serving_postgres  # noqa: E402
from screens import serving  # noqa: E402

from benchmarks.database_figures import counted, held, standing  # noqa: E402
from benchmarks.paced_runs import REAL, paced, record, settings, write_flat_out  # noqa: E402
from drpo import metrics  # noqa: E402
from drpo.executors import choice  # noqa: E402
from drpo.runs.supervisor import Supervisor  # noqa: E402
from drpo.store import Store  # noqa: E402
from drpo.store.schema import Run  # noqa: E402
from drpo.sweep import Axis, SweepPlan, create, engine  # noqa: E402

RECORDED = 5
"""Updates of the real run that the others say over and over."""
ONE_MORE = 5
"""Runs that are queued one by one while the others go on."""
FLAT_OUT_SECONDS = 10.0
PAGE = ROOT / "docs" / "executors.md"
BEGIN, END = (f"<!-- written by benchmarks.concurrent_runs: {end} -->" for end in ("begin", "end"))
ROWS = {
    "metric_rows": "metric rows a second",
    "sample_rows": "answers (rows of samples) a second",
    "commits": "transactions a second",
    "connections": "connections at most",
    "flat_out": "rows a second when as many processes do nothing but write",
    "postgres_cores": "PostgreSQL: processor seconds a second",
    "bytes_a_row": "bytes of a row on the disk, indexes among them",
    "live_ms": "tick of Live, ms: median, 95 %",
    "sweep_ms": "tick of Sweep, ms: median, 95 %",
    "server_cores": "dashboard with these two viewers: processor seconds a second",
    "pass_ms": "supervisor's pass, ms: median, 95 %",
    "pass_cpu_ms": "supervisor's pass, processor ms: mean",
    "at_once_s": "queued to begun, s, all at once: median, most",
    "one_more_s": "queued to begun, s, one more run: median, most",
    "real_s": "seconds of an update of the run that trains",
    "load": "load of the machine",
}


class TimedSupervisor(Supervisor):
    """Notes what each of its passes took, by the clock and of the processor."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.passes: list[tuple[float, float]] = []

    def tick(self) -> None:
        """Look once."""
        began, worked = time.perf_counter(), time.thread_time()
        super().tick()
        self.passes.append((time.perf_counter() - began, time.thread_time() - worked))


@contextmanager
def place(name: str) -> Iterator[tuple[Store, Path, psutil.Process]]:
    """A workspace, a server of PostgreSQL with an empty store, and that server's first process."""
    with tempfile.TemporaryDirectory() as home, serving_postgres("") as (url, data):
        os.environ |= {
            "DRPO_HOME": home,
            "DRPO_DATABASE_URL": database(url, name),
            "DRPO_SUPERVISE": "0",
            "OMP_NUM_THREADS": "1",
        }
        store = Store()
        pid = int((data / "postmaster.pid").read_text().split()[0])
        try:
            yield store, Path(home), psutil.Process(pid)
        finally:
            store.close()


def recorded(path: Path) -> None:
    """Train one run and write down what it said."""
    with place("recorded") as (store, _, _):
        supervisor = Supervisor(store)
        supervisor.start()
        run = store.runs.create(settings(name=REAL, updates=RECORDED)).id
        wait_until(lambda: store.runs.get(run).finished_at, "a run to record", seconds=900)
        supervisor.stop()
        record(store, run, path)


def measured(count: int, path: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """The figures of so many runs at once."""
    os.environ["DRPO_CPU_SLOTS"] = str(count + 1 + ONE_MORE)
    executor = patch.object(choice, "ProcessExecutor", paced(path, asked.every))
    flat_out, bytes_a_row = written_flat_out(count, path)
    with place(f"of {count}") as (store, home, postgres), executor, serving(home) as (url, server):
        supervisor = TimedSupervisor(store)
        sweep = create(store, plan(count))
        supervisor.start()
        try:
            return {
                "runs": count,
                "flat_out": flat_out,
                "bytes_a_row": bytes_a_row,
                **followed(store, sweep, count, supervisor, (url, server, postgres), asked),
            }
        finally:
            engine.stop(store, sweep)
            for run in store.runs.all(statuses=("running",)):
                store.commands.add(run.id, "stop")
            wait_until(lambda: supervisor.idle(), "all to end", seconds=300)
            supervisor.stop()


def plan(count: int) -> SweepPlan:
    """A sweep of so many runs, all at once."""
    seeds = tuple(range(4 if count > 1 else 1))
    brakes = tuple(0.1 * (place + 1) for place in range(count // len(seeds)))
    axes = (Axis(name="kl_coef", values=brakes),)
    config = settings(name="paced", updates=100_000)
    return SweepPlan.of(config, axes=axes, seeds=seeds, together=count, early_stop=False)


def written_flat_out(count: int, path: Path) -> tuple[float, float]:
    """Rows a second that so many processes write, and the bytes that a row takes of the disk."""
    with place(f"flat out {count}") as (store, _, _):
        made = [store.runs.create(settings(updates=1)).id for _ in range(count)]
        before = held(store)
        found = write_flat_out(made, store.url, path, FLAT_OUT_SECONDS)
        after = held(store)
    rows = sum(after[name] - before[name] for name in ("metric_rows", "sample_rows"))
    return found, (after["bytes"] - before["bytes"]) / rows


def followed(
    store: Store,
    sweep: str,
    count: int,
    supervisor: TimedSupervisor,
    processes: tuple[str, psutil.Process, psutil.Process],
    asked: argparse.Namespace,
) -> dict[str, Any]:
    """What is seen from the moment the sweep is queued on."""
    url, server, postgres = processes

    def runs() -> list[Run]:
        return store.runs.all(sweep_id=sweep)

    wait_until(lambda: sum(run.step > 0 for run in runs()) == count, "all to begin", seconds=600)
    real = store.runs.create(settings(name=REAL, updates=100_000)).id
    wait_until(lambda: store.runs.get(real).step > 2, "the real one to train", seconds=900)
    with (
        watched(url, f"run={runs()[0].id}", 1) as live,
        watched(url, f"sweep={sweep}", 1, "sweep") as board,
        counted(store) as connections,
    ):
        time.sleep(asked.seconds / 4)  # they are warm then
        first = [len(live[0].ticks), len(board[0].ticks), len(supervisor.passes)]
        before, began = standing(store, server, postgres), time.monotonic()
        cursor = int(store.metrics.since(real)["id"].iloc[-1])
        more = [one_more(store, asked.seconds / ONE_MORE) for _ in range(ONE_MORE)]
        after, passed = standing(store, server, postgres), time.monotonic() - began
        real_rows = store.metrics.since(real, cursor, names=[metrics.TIMING_S_UPDATE])
    rate = {name: (after[name] - before[name]) / passed for name in after}
    passes = supervisor.passes[first[2] :]
    problems = sorted({problem for one in (*live, *board) for problem in one.problems})
    assert not problems, problems
    return {
        **{name: rate[name] for name in ("metric_rows", "sample_rows", "commits")},
        "postgres_cores": rate["postgres"],
        "server_cores": rate["server"],
        "connections": max(connections),
        "live_ms": spread(ticks_of(live, first[0])),
        "sweep_ms": spread(ticks_of(board, first[1])),
        "pass_ms": spread([1e3 * wall for wall, _ in passes]),
        "pass_cpu_ms": 1e3 * statistics.fmean(worked for _, worked in passes),
        "at_once_s": middle_and_most([begun(run) for run in runs()]),
        "one_more_s": middle_and_most(more),
        "real_s": statistics.fmean(map(float, real_rows["value"])) if len(real_rows) else None,
        "load": os.getloadavg()[0],
    }


def begun(run: Run) -> float:
    """Seconds from the queue to the worker's own first word."""
    assert run.started_at is not None
    return run.started_at - run.created_at


def one_more(store: Store, seconds: float) -> float:
    """Queue a run beside those that go on; returns how long until it began."""
    until = time.monotonic() + seconds
    run = store.runs.create(settings(name="one more", updates=1)).id
    wait_until(lambda: store.runs.get(run).started_at, "one more run", seconds=300)
    time.sleep(max(0.0, until - time.monotonic()))
    return begun(store.runs.get(run))


def ticks_of(viewers: Sequence[Viewer], first: int) -> list[float]:
    """Milliseconds."""
    return [1e3 * tick for one in viewers for tick in one.ticks[first:]]


def spread(values: list[float]) -> list[float]:
    """Median and the 95th of a hundred."""
    return [statistics.median(values), statistics.quantiles(values, n=20)[-1]]


def middle_and_most(values: list[float]) -> list[float]:
    """Median and most."""
    return [statistics.median(values), max(values)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=60.0, help="of each measurement")
    parser.add_argument("--every", type=float, default=5.0, help="seconds of an update")
    parser.add_argument("--docs", action="store_true", help="write the table into the page")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whose servers and workers end with it
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recorded.json"
        recorded(path)
        found = []
        for count in asked.runs:
            found.append(measured(count, path, asked))
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    lines = table(found)
    print("\n".join(lines))
    if asked.docs:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        after = rest.split(END)[1]
        written = "\n".join([BEGIN, *lines, END])
        PAGE.write_text(f"{before}{written}{after}", encoding="utf-8")
    print(json.dumps(found))


def table(found: list[dict[str, Any]]) -> list[str]:
    """The figures as lines of Markdown, a column for each number of runs."""
    heads = " | ".join(str(one["runs"]) for one in found)
    rows = [
        f"| {words} | " + " | ".join(shown(one[name]) for one in found) + " |"
        for name, words in ROWS.items()
    ]
    return [f"| runs at once | {heads} |", "|---" * (len(found) + 1) + "|", *rows]


def shown(value: float | list[float] | None) -> str:
    """Three digits of a figure, or of each of several."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
