"""How long the screens take with 200 runs and a million metric points in the store.

    python benchmarks/screens.py [--runs 200] [--points 1000000] [--times 5]

A real server and a real Chromium, as in the browser tests. A screen is ready when the server has
run it to its end and its charts are drawn; measured once from a new tab, which also loads the page
itself, and once from the menu of an open one, which is how people move about. A live tick's cost
is the processor time that the server spends per second while one tab follows a run that grows by a
point each second. The figures of the last run stand in screens.md.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
from sqlalchemy import text

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import screen_material  # noqa: E402
from browser.conftest import CHROMIUM, FLAGS, answers, wait_until  # noqa: E402

from drpo.dashboard.navigation import paths  # noqa: E402
from drpo.store import Store  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COPIED = {
    "metrics": "step, name, value",
    "samples": "step, kind, item, start, prompt, prefix, response, offline, prefix_tokens, "
    "offline_tokens, response_tokens, finished, score, gold, kl, offline_score, offline_gold, "
    "weights",
    "events": "step, kind, message, payload, who, created_at",
}
"""Tables that are filled by copying one run's rows, and their columns."""
READY = """() => {
  const app = document.querySelector("[data-testid='stApp']");
  const charts = [...document.querySelectorAll(".drpo-chart")];
  return app?.dataset.testConnectionState === "CONNECTED"
    && app.dataset.testScriptState === "notRunning"
    && !document.querySelector("[data-testid='stSkeleton'], [data-stale='true']")
    && document.querySelector("h1")
    && charts.every(chart => chart.querySelector(".main-svg"));
}"""
TICKS = 30


def main() -> None:
    """Fill a store, look at every screen, write down what it took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5, help="visits of each screen")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        store = Store(f"sqlite:///{home / 'drpo.sqlite'}")
        count = fill(store, asked.runs, asked.points)
        print(f"{asked.runs} runs, {count:,} metric points", file=sys.stderr)
        with serving(home) as (url, process), browsing() as browser:
            visits = look(browser, url, asked.times)
            tick = follow(browser, url, store, process)
        store.close()
    write(asked.runs, count, visits, tick)


def fill(store: Store, runs: int, points: int) -> int:
    """Write one long run as a worker does and copy its rows to all the others."""
    per_update = len(
        screen_material.update_metrics(
            0.5,
            np.random.default_rng(0),
            gold=True,
            gain=1,
            hack=0,
            reset_prob=0.5,
            kl_coef=0.2,
            step=1,
            per_update=2.0,
        )
    )
    updates = max(10, points // runs // (per_update + 2))
    first = screen_material.add_run(store, "run 0", updates=updates)
    others = [
        screen_material.add_run(
            store,
            f"run {seed}",
            updates=updates,
            upto=0,
            status="finished",
            seed=seed,
            reset_prob=seed % 5 / 4,
            kl_coef=0.05 * 2 ** (seed // 5 % 4),
            gain=1 + seed % 7 / 20,
        )
        for seed in range(1, runs)
    ]
    with store.engine.begin() as session:
        for run in others:
            for table, columns in COPIED.items():
                session.execute(text(f"delete from {table} where run_id = :new"), {"new": run.id})
                session.execute(
                    text(
                        f"insert into {table} (run_id, {columns}) "
                        f"select :new, {columns} from {table} where run_id = :old"
                    ),
                    {"new": run.id, "old": first.id},
                )
        found = session.execute(text("select count(*) from metrics")).scalar_one()
    for run in others:
        store.runs.change(run.id, step=updates, stage_done=updates, summary=first.summary)
    return int(found)


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The dashboard over a workspace, as people run it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"DRPO_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with (home / "server.log").open("w") as output:
        server = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{url}/_stcore/health"), "the server to answer")
        yield url, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(timeout=30)


@contextmanager
def browsing() -> Iterator[Browser]:
    """A real Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def look(browser: Browser, url: str, times: int) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds until each screen is ready, from a new tab and from the menu, screens in turn."""
    # The first path is the bare address, which shows the first screen.
    found: dict[str, tuple[list[float], list[float]]] = {path: ([], []) for path in paths()[1:]}
    for turn in range(times + 1):
        for place, (path, (tab, menu)) in enumerate(found.items()):
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            began = time.perf_counter()
            page.goto(url + (path if place else "/"))
            page.wait_for_function(READY, timeout=120_000)
            from_tab = time.perf_counter() - began
            away = "/data" if path != "/data" else "/report"
            page.goto(url + away)
            page.wait_for_function(READY, timeout=120_000)
            title = page.locator("h1").first.inner_text()
            link = page.locator("[data-testid='stSidebarNavLink']").nth(place)
            began = time.perf_counter()
            link.click()
            page.wait_for_function(
                f"() => document.querySelector('h1')?.innerText !== {title!r} && ({READY})()",
                timeout=120_000,
            )
            from_menu = time.perf_counter() - began
            page.close()
            # The first turn fills the server's caches, as the first visitor of a day does.
            if turn:
                tab.append(from_tab)
                menu.append(from_menu)
        print(f"turn {turn} of {times}", file=sys.stderr)
    return found


def follow(browser: Browser, url: str, store: Store, process: psutil.Process) -> float:
    """Milliseconds of the server's processor time that one tick of a growing run costs."""
    run = screen_material.add_run(store, "growing", updates=400, upto=200, status="running")
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(f"{url}/live?run={run.id}")
    page.wait_for_selector(".st-key-reward .main-svg", timeout=120_000)
    ended = threading.Event()

    def grow() -> None:
        rng, step = np.random.default_rng(0), 200
        while not ended.wait(1.0):
            step += 1
            store.metrics.append(
                run.id,
                step,
                screen_material.update_metrics(
                    step / 400,
                    rng,
                    gold=True,
                    gain=1,
                    hack=0,
                    reset_prob=0.5,
                    kl_coef=0.2,
                    step=step,
                    per_update=2.0,
                ),
            )
            store.runs.change(run.id, step=step, stage_done=step, heartbeat_at=time.time())

    writer = threading.Thread(target=grow)
    writer.start()
    page.wait_for_timeout(5_000)
    before = process.cpu_times()
    page.wait_for_timeout(1_000 * TICKS)
    after = process.cpu_times()
    ended.set()
    writer.join()
    page.close()
    spent = after.user + after.system - before.user - before.system
    return 1_000 * spent / TICKS


def write(
    runs: int, points: int, visits: dict[str, tuple[list[float], list[float]]], tick: float
) -> None:
    """Write the page for people."""
    load = os.getloadavg()[1]
    lines = [
        "# The screens with a full store",
        "",
        f"{runs} runs, {points:,} metric points; {os.cpu_count()} cores, load {load:.1f} while "
        "measuring (the browser, the server and the benchmark itself make about 1.5). Made by "
        "`python benchmarks/screens.py`. Seconds until a screen is ready: median (least to most).",
        "",
        "| screen | from the menu | from a new tab |",
        "|---|---|---|",
        *(
            f"| {path.strip('/')} | {spread(menu)} | {spread(tab)} |"
            for path, (tab, menu) in visits.items()
        ),
        "",
        f"A live tick costs the server {tick:.0f} ms of processor time (mean of {TICKS} ticks, one "
        "tab, every metric growing).",
    ]
    (ROOT / "benchmarks" / "screens.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def spread(seconds: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


if __name__ == "__main__":
    main()
