"""How fast Live answers beside a run that is going on, and what an open tab costs the run.

    python benchmarks/screen.py [--seconds 25] [--pairs 3] [--quick]

A real server, whose supervisor starts a real worker on the sample task, and a real Chromium that
follows the run. A rerun is the time for which the page says that its script runs: Live does so once
a second. The run's seconds an update are measured with and without the tab, in turn; the browser
computes on the same cores. Prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "tests")]

from browser.conftest import wait_until  # noqa: E402
from screens import READY, browsing, serving  # noqa: E402

from drpo import metrics  # noqa: E402
from drpo.config.run_config import RunConfig  # noqa: E402
from drpo.store import Store  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SAMPLES = ROOT / "sample_data"
WATCH = """() => {
  const app = document.querySelector("[data-testid='stApp']");
  window.reruns = [];
  let began = null;
  new MutationObserver(() => {
    const running = app.dataset.testScriptState === "running";
    if (running && began === null) began = performance.now();
    if (!running && began !== null) {
      window.reruns.push(performance.now() - began);
      began = null;
    }
  }).observe(app, { attributes: true, attributeFilter: ["data-test-script-state"] });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=25.0, help="of each measurement")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="see that it works")
    asked = parser.parse_args()
    if asked.quick:
        asked.seconds, asked.pairs = 5.0, 1
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        with serving(home) as (url, _), browsing() as browser:
            store = Store(f"sqlite:///{home / 'drpo.sqlite'}")
            # The supervisor is there when the first screen has been shown.
            followed(browser, url).close()
            began = time.perf_counter()
            run = store.runs.create(settings()).id
            try:
                wait_until(lambda: store.metrics.names(run), "a figure", seconds=300)
                first = time.perf_counter() - began
                wait_until(lambda: values(store, run, metrics.EVAL_SCORES), "a score", seconds=300)
                scored = time.perf_counter() - began
                wait_until(lambda: len(updates(store, run)) > 3, "updates", seconds=300)
                slowed, reruns = beside(store, run, browser, f"{url}/live?run={run}", asked)
            finally:
                # Its worker leads a session of its own and would go on for hours.
                store.commands.add(run, "stop")
                wait_until(lambda: store.runs.get(run).status == "stopped", "the run to stop")
                store.close()
    ninetyfifth = statistics.quantiles(reruns, n=20)[-1]
    print(
        json.dumps(
            {
                "first_s": first,
                "scored_s": scored,
                "p95_ms": ninetyfifth,
                "median_ms": statistics.median(reruns),
                "reruns": len(reruns),
                "slowed": [statistics.median(slowed), min(slowed), max(slowed)],
            }
        )
    )


def beside(
    store: Store, run: str, browser: Browser, address: str, asked: argparse.Namespace
) -> tuple[list[float], list[float]]:
    """By how much a tab slows the run, of each pair, and the milliseconds of the tab's reruns."""
    slowed: list[float] = []
    reruns: list[float] = []
    for _ in range(asked.pairs):
        alone = pace(store, run, asked.seconds)
        page = followed(browser, address)
        slowed.append(pace(store, run, asked.seconds) / alone - 1)
        reruns += page.evaluate("() => window.reruns")
        page.close()
    return slowed, reruns


def settings() -> RunConfig:
    """The sample task with a critic, longer than anybody watches."""
    return RunConfig.of(
        data=str(SAMPLES / "files/tldr.jsonl.gz"),
        policy=str(SAMPLES / "models/tldr-policy"),
        reward_model=str(SAMPLES / "models/tldr-reward"),
        method="drpo",
        device="cpu",
        updates=2_000,
        eval_every=100,
        eval_prompts=32,
    )


def updates(store: Store, run: str, cursor: int = 0) -> list[float]:
    """Seconds of the updates that were written down after a row."""
    return values(store, run, metrics.TIMING_S_UPDATE, cursor)


def values(store: Store, run: str, name: str, cursor: int = 0) -> list[float]:
    """Values of a metric that were written down after a row."""
    rows = store.metrics.since(run, cursor, names=[name])
    return [float(value) for value in rows["value"]]


def pace(store: Store, run: str, seconds: float) -> float:
    """Mean seconds of the updates that end within some seconds from now."""
    cursor = int(store.metrics.since(run)["id"].iloc[-1])
    time.sleep(seconds)
    return statistics.fmean(
        wait_until(lambda: updates(store, run, cursor), "an update", seconds=120)
    )


def followed(browser: Browser, address: str) -> Page:
    """Open Live and begin to count its reruns."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(address)
    page.wait_for_function(READY, timeout=120_000)
    page.wait_for_timeout(2_000)
    page.evaluate(WATCH)
    return page


if __name__ == "__main__":
    main()
