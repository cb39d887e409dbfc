"""The benchmark of an update works; how fast it is, is nobody's business here."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_benchmark_measures_both_workloads():
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/speed.py"), "--quick"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["A", "new"], ["B", "new"]]
    assert all(float(figure) > 0 for row in rows for figure in row[2:6])
    assert all(0 <= float(row[6]) < 1 for row in rows)
