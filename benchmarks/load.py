"""How the dashboard and a run bear many viewers: sessions that follow one live run on Live.

    python -m benchmarks.load [--viewers 25] [--seconds 600] [--quick]

A real server, whose supervisor starts a real worker on the sample task. A viewer is a WebSocket
that speaks as Streamlit's page does: it opens Live, and runs the fragment again each second as the
page's timer does, never two at once. A tick is from asking to the end of what came back. Only the
browser's own drawing is not there: viewers draw on machines of their own. The run's seconds an
update are measured with and without the viewers, in turn; the server's memory from the end of the
first stretch to that of the last. Prints a line of JSON, and ends with 1 where a bar was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "tests")]

import psutil  # noqa: E402
from browser.conftest import wait_until  # noqa: E402
from screen import settings, updates, values  # noqa: E402
from screens import serving  # noqa: E402
from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: E402
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: E402
from websockets.asyncio.client import connect  # noqa: E402

from drpo import metrics  # noqa: E402
from drpo.store import Store  # noqa: E402

BARS = {"p95_s": 1.0, "slowed": 0.15, "memory_growth": 0.05}
TICK = 1.0
"""Seconds between two ticks of a page."""
PARTS = 3
"""Into how many stretches with viewers the time is divided, each with one without before it."""


@dataclass
class Viewer:
    """One open page that follows a run."""

    url: str
    query: str
    page: str = "live"
    ticks: list[float] = field(default_factory=list)
    charts: int = 0
    """Drawn in ticks; none would be a page that shows nothing."""
    received: int = 0
    """Bytes."""
    problems: list[str] = field(default_factory=list)

    async def follow(self, ended: asyncio.Event) -> None:
        """Open the screen and tick until told to end."""
        host = self.url.removeprefix("http://")
        async with connect(
            f"ws://{host}/_stcore/stream",
            subprotocols=["streamlit"],  # type: ignore[list-item]
            origin=self.url,  # type: ignore[arg-type]
            max_size=None,
        ) as socket:
            fragment = await self._run(socket, "")
            while not ended.is_set():
                began = time.perf_counter()
                await self._run(socket, fragment)
                took = time.perf_counter() - began
                self.ticks.append(took)
                with_rest = asyncio.wait_for(ended.wait(), max(0.0, TICK - took))
                try:
                    await with_rest
                except TimeoutError:
                    continue

    async def _run(self, socket: object, fragment: str) -> str:
        """Ask for the page, or one fragment of it; returns the fragment that has a timer."""
        asked = BackMsg()
        asked.rerun_script.query_string = self.query
        asked.rerun_script.page_name = self.page
        asked.rerun_script.context_info.timezone = "UTC"
        asked.rerun_script.context_info.locale = "en"
        asked.rerun_script.context_info.url = f"{self.url}/{self.page}?{self.query}"
        if fragment:
            asked.rerun_script.fragment_id = fragment
            asked.rerun_script.is_auto_rerun = True
        await socket.send(asked.SerializeToString())  # type: ignore[attr-defined]
        timer = fragment
        while True:
            raw = await socket.recv()  # type: ignore[attr-defined]
            self.received += len(raw)
            told = ForwardMsg.FromString(raw)
            kind = told.WhichOneof("type")
            if kind == "auto_rerun":
                timer = told.auto_rerun.fragment_id
            elif kind == "delta" and told.delta.new_element.HasField("exception"):
                self.problems.append(told.delta.new_element.exception.message)
            elif kind == "delta" and told.delta.new_element.HasField("bidi_component"):
                self.charts += b'"figure"' in told.delta.new_element.bidi_component.bytes
            elif kind == "script_finished" and told.script_finished != (
                ForwardMsg.FINISHED_EARLY_FOR_RERUN
            ):
                return timer


@contextmanager
def watched(url: str, query: str, count: int, page: str = "live") -> Iterator[list[Viewer]]:
    """So many viewers of a screen, each coming a little after the one before."""
    viewers = [Viewer(url, query, page) for _ in range(count)]
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    async def all_of_them() -> None:
        async def come(place: int, viewer: Viewer) -> None:
            await asyncio.sleep(place * 0.37)
            await viewer.follow(ended)

        await asyncio.gather(*(come(place, one) for place, one in enumerate(viewers)))

    thread = threading.Thread(target=loop.run_until_complete, args=(all_of_them(),))
    thread.start()
    try:
        wait_until(lambda: all(one.ticks for one in viewers) or not thread.is_alive(), "viewers")
        yield viewers
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(60)


def main() -> int:
    """Measure, print, and say whether the bars were held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--viewers", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=600.0, help="with viewers, altogether")
    parser.add_argument("--quick", action="store_true", help="see that it works")
    asked = parser.parse_args()
    if asked.quick:
        asked.viewers, asked.seconds = 5, 30.0
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        with serving(home) as (url, server):
            store = Store(f"sqlite:///{home / 'drpo.sqlite'}")
            with watched(url, "", 1):
                pass  # the supervisor is there when the first screen has been shown
            run = store.runs.create(settings()).id
            try:
                wait_until(lambda: values(store, run, metrics.EVAL_SCORES), "a score", seconds=300)
                wait_until(lambda: len(updates(store, run)) > 3, "updates", seconds=300)
                found = measured(store, run, url, server, asked)
            finally:
                store.commands.add(run, "stop")
                wait_until(lambda: store.runs.get(run).status == "stopped", "the run to stop")
                store.close()
    print(json.dumps(found))
    return int(any(found[name] >= bar for name, bar in BARS.items()) or bool(found["problems"]))


def measured(
    store: Store, run: str, url: str, server: psutil.Process, asked: argparse.Namespace
) -> dict[str, float | list[str]]:
    """The figures of all stretches."""
    stretch = asked.seconds / PARTS
    slowed: list[float] = []
    ticks: list[float] = []
    problems: list[str] = []
    memory: list[float] = []
    busy: list[float] = []
    own: list[float] = []
    charts = received = 0
    for _ in range(PARTS):
        alone = pace(store, run, min(60.0, stretch))
        with watched(url, f"run={run}", asked.viewers) as viewers:
            time.sleep(min(60.0, stretch / 4))  # they are warm then
            first = [len(one.ticks) for one in viewers]
            for one in viewers:
                one.charts = one.received = 0
            before, began = sum(server.cpu_times()[:2]), time.monotonic()
            mine = time.process_time()
            memory.append(server.memory_info().rss)
            slowed.append(pace(store, run, stretch) / alone - 1)
            memory.append(server.memory_info().rss)
            passed = time.monotonic() - began
            busy.append((sum(server.cpu_times()[:2]) - before) / passed)
            own.append((time.process_time() - mine) / passed)
            ticks += [
                tick
                for one, start in zip(viewers, first, strict=True)
                for tick in one.ticks[start:]
            ]
            charts += sum(one.charts for one in viewers)
            received += sum(one.received for one in viewers)
            problems += [problem for one in viewers for problem in one.problems]
    return {
        "viewers": asked.viewers,
        "seconds": asked.seconds,
        "ticks": len(ticks),
        "p50_s": statistics.median(ticks),
        "p95_s": statistics.quantiles(ticks, n=20)[-1],
        "max_s": max(ticks),
        "slowed": statistics.median(slowed),
        "slowed_each": slowed,
        # Caches fill in the first stretch; what is held beyond its end was not given back.
        "memory_growth": memory[-1] / memory[1] - 1,
        "memory_mib": [round(one / 2**20) for one in memory],
        "server_cores": statistics.fmean(busy),
        # On the same machine, which viewers' browsers are not.
        "viewers_cores": statistics.fmean(own),
        "load": os.getloadavg()[1],
        "charts_a_tick": charts / max(1, len(ticks)),
        "kib_a_tick": received / 1024 / max(1, len(ticks)),
        "problems": sorted(set(problems)),
    }


def pace(store: Store, run: str, seconds: float) -> float:
    """Mean seconds of the updates that end within some seconds from now."""
    cursor = int(store.metrics.since(run)["id"].iloc[-1])
    time.sleep(seconds)
    return statistics.fmean(
        wait_until(lambda: updates(store, run, cursor), "an update", seconds=120)
    )


if __name__ == "__main__":
    sys.exit(main())
