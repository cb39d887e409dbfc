"""Processor time that commands take to start, which a person waits for at every one of them.

    python benchmarks/startup.py [--starts 11] [--runs 200] [--quick]

Every start is a process of its own, in a workspace of its own with some runs in it. Processor time
(user and system, of all threads) does not count what else the machine does. `--quick` starts each
command once, says whether it works, and writes nothing down. The figures of the last whole
measurement stand in startup.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
WANTED = {"--help": 0.5, "runs": 1.0, "show": 1.0, "set": 1.0}
"""Seconds of processor time that a command may take on a laptop."""


def fill(home: Path, runs: int) -> str:
    """Make a workspace with runs in it; the id of one that is going on."""
    os.environ["DRPO_HOME"] = str(home)
    os.environ.pop("DRPO_DATABASE_URL", None)
    from drpo.config.run_config import RunConfig
    from drpo.store import Store

    store = Store()
    point = {"step": 30, "scores": 1.0, "gold": 0.5, "kl": 0.1, "mean_length": 20.0}
    for _ in range(runs):
        run = store.runs.create(RunConfig.of(data="pairs.jsonl", policy="policy"))
        store.runs.change(run.id, status="finished", step=30, summary={"last": point})
    store.runs.change(run.id, status="running")
    store.close()
    return run.id


def seconds(words: list[str]) -> float:
    """Processor time of one start, seconds.

    Raises:
        SystemExit: The command failed.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "drpo", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        said = child.stderr.read() if child.stderr else ""
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"drpo {' '.join(words)} ended with {child.returncode}: {said}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=11, help="Starts of each command.")
    parser.add_argument("--runs", type=int, default=200, help="Runs in the workspace.")
    parser.add_argument("--quick", action="store_true", help="One start each; write nothing down.")
    asked = parser.parse_args()
    starts, runs = (1, 2) if asked.quick else (asked.starts, asked.runs)
    with tempfile.TemporaryDirectory() as folder:
        run = fill(Path(folder), runs)
        commands = [["--help"], ["runs"], ["show", run], ["set", run, "kl_coef=0.1"]]
        rows = []
        for words in commands:
            seconds(words)  # the first start compiles and reads from the disk
            took = statistics.median(seconds(words) for _ in range(starts))
            rows.append(f"| `drpo {words[0]}` | {took:.2f} | {WANTED[words[0]]} |")
    lines = [
        "# How long commands take to start",
        "",
        f"Seconds of processor time, median of {starts} starts in a workspace with {runs} "
        f"runs, Python {platform.python_version()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.0f} while measuring. Made by `python benchmarks/startup.py`.",
        "",
        "| command | CPU s | wanted at most |",
        "|---|---|---|",
        *rows,
    ]
    print("\n".join(lines))
    if not asked.quick:
        (HERE / "startup.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
