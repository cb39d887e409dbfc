"""How fast training, the store and the screens are, and whether that is fast enough.

    python -m benchmarks.cpu [--part speed|growth|store|screen ...] [--old FOLDER] [--pairs 3]
                             [--updates 3] [--threads CORES] [--quick]

From the repository's top; `make bench` is the same. This code, the peer (TRL's PPO) and, where one
is named, another checkout are measured in turn, each time in a process of its own. What was found
goes to build/bench/*.json, and from there into docs/benchmarks.md. The exit status is 1 where a bar
is missed. On a machine that is busy with other things take `--threads 1`, and look at processor
seconds. `--quick` tries everything in small sizes in half a minute, writes no page and holds
nothing against a bar.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.cpu import growth, peer, report
from benchmarks.cpu.workloads import ROOT, A, B, Workload
from drpo.system import allocator

PARTS = ("speed", "growth", "store", "screen")
RESETS = tuple(replace(B, name=f"B, reset_prob {prob:g}", reset_prob=prob) for prob in (0.5, 1.0))
BUILD = ROOT / "build/bench"


class Runner:
    """Starts measurements, each in a process of its own."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.python = peer.build(BUILD) if not asked.no_peer else None

    def __call__(self, code: str, loads: Sequence[Workload], updates: int) -> list[dict[str, Any]]:
        """Measure workloads one after the other with `ours`, `old`, `peer` or `floor`.

        Raises:
            SystemExit: The process failed.
        """
        checkout = self.asked.old if code == "old" else ROOT
        module = {"old": "ours"}.get(code, code)
        words = {
            "loads": [asdict(one.small() if self.asked.quick else one) for one in loads],
            "updates": 2 if self.asked.quick else updates,
            "threads": self.asked.threads,
            "checkout": str(checkout),
        }
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TRL_EXPERIMENTAL_SILENCE": "1"}
        environment |= {"OMP_NUM_THREADS": str(self.asked.threads)}
        if code != "peer":  # as a run's worker sets it
            environment |= {"GOMP_SPINCOUNT": "2000", **allocator.preload()}
        python = self.python if code == "peer" else sys.executable
        command = [str(python), "-m", f"benchmarks.cpu.{module}", json.dumps(words)]
        began = time.perf_counter()
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        names = ", ".join(one.name for one in loads)
        print(f"{code}: {names}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        if done.returncode:
            sys.exit(f"{code} could not be measured: {done.stderr[-2000:]}")
        lines = done.stdout.splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"load"')]


def speed(run: Runner) -> dict[str, Any]:
    """Workloads A and B, this code and the others in turn."""
    codes = ["ours", *(["peer"] if run.python else []), *(["old"] if run.asked.old else [])]
    found: list[dict[str, Any]] = []
    for _ in range(run.asked.pairs):
        for code in codes:
            loads = (A, B) if code == "peer" or run.asked.quick else (A, B, *RESETS)
            for load in loads:
                found += [{"code": code} | row for row in run(code, [load], run.asked.updates)]
    return {"rows": found, "floor": run("floor", (A, B), 3)}


def grown(run: Runner) -> dict[str, Any]:
    """Every workload that grows, each code in one process."""
    loads = growth.loads()[:2] if run.asked.quick else growth.loads()
    found = [{"code": "ours"} | row for row in run("ours", loads, 2)]
    if run.python:
        theirs = [load for load in loads if load.advantage == "gae"]
        found += [{"code": "peer"} | row for row in run("peer", theirs, 2)]
    return {"rows": found}


def script(name: str, quick: Iterable[str], asked: argparse.Namespace) -> dict[str, Any]:
    """Run a benchmark that is a script and prints JSON."""
    command = [sys.executable, f"benchmarks/{name}.py", *(quick if asked.quick else ())]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"benchmarks/{name}.py failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--old", type=Path, help="another checkout, measured in turn with this one")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--updates", type=int, default=3, help="the first is left out")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-peer", action="store_true", help="measure this code alone")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args(words)
    asked.old = asked.old and asked.old.resolve()
    if asked.quick:
        asked.pairs = asked.threads = 1
    began = time.monotonic()
    run = Runner(asked)
    known = report.machine(asked.threads)
    out = BUILD / "quick" if asked.quick else BUILD
    out.mkdir(parents=True, exist_ok=True)
    measures = {
        "speed": lambda: speed(run),
        "growth": lambda: grown(run),
        "store": lambda: script("store", ["--rows", "20000"], asked),
        "screen": lambda: script("screen", ["--quick"], asked),
    }
    for part in asked.part:
        found = measures[part]() | {"machine": known}
        (out / f"{part}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(f"all: {time.monotonic() - began:.0f} s", file=sys.stderr)
    text, missed = report.page(out)
    print(text)
    if not asked.quick:
        growth.draw(out, ROOT / "docs/benchmarks")
        report.write(ROOT / "docs/benchmarks.md", text)
        sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
