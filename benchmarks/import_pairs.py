"""Time and memory of reading 200,000 pairs (50 MB), beside plain `datasets.load_dataset`.

    python benchmarks/import_pairs.py [--rows 200000] [--model FOLDER]

Each way runs in a process of its own. Wall time counts what else the machine does, CPU time does
not; memory is the most the process held above what it held before it began. The figures of the
last run stand in import_pairs.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

HERE = Path(__file__).parent
WAYS = ("report", "report with tokens", "pairs only", "stream import", "datasets.load_dataset")


def write_file(path: Path, rows: int) -> None:
    """Write preference pairs of about 250 bytes each; one prompt in fifty stands twice."""
    rng = random.Random(0)
    letters = "etaoinshrdlucmfwyp"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(4_000)]
    common = list(accumulate(1 / (rank + 10) for rank in range(len(words))))

    def text(count: int) -> str:
        return " ".join(rng.choices(words, cum_weights=common, k=count)).capitalize() + "."

    prompt = text(13)
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            prompt = prompt if number % 50 == 0 and number else text(13)
            row = {"prompt": prompt, "chosen": text(10), "rejected": text(8)}
            file.write(json.dumps(row) + "\n")


def way_of(name: str, path: Path, model: Path) -> Callable[[], int]:
    """Return what is measured: it reads the file and returns how many rows it found."""
    from drpo.data.io.source import Source
    from drpo.data.library.stream_import import import_stream
    from drpo.data.loading import read_pairs
    from drpo.data.quality.report import Settings, check_source
    from drpo.store import Store

    def plain_datasets() -> int:
        from datasets import load_dataset

        found = load_dataset("json", data_files=str(path), split="train")
        return sum(len(row["chosen"]) > 0 for row in found)

    ways: dict[str, Callable[[], int]] = {
        "report": lambda: len(check_source(Source.from_path(path), Settings())[0]),
        "report with tokens": lambda: len(
            check_source(Source.from_path(path), Settings(model, 512, 53))[0]
        ),
        "pairs only": lambda: len(read_pairs(Source.from_path(path))),
        "stream import": lambda: import_stream(Store(), Source.from_path(path), "bench").rows,
        "datasets.load_dataset": plain_datasets,
    }
    return ways[name]


def measure(name: str, path: Path, model: Path) -> dict[str, object]:
    """Measure one way in this process."""
    work = way_of(name, path, model)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    rows = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "way": name,
        "rows": rows,
        "wall_s": round(time.perf_counter() - began, 1),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "extra_mb": round((after.ru_maxrss - before.ru_maxrss) / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument(
        "--model", type=Path, default=HERE.parent / "sample_data" / "models" / "tldr-policy"
    )
    parser.add_argument("--way", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(measure(asked.way[0], Path(asked.way[1]), asked.model)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.jsonl"
        write_file(path, asked.rows)
        size = path.stat().st_size
        home = {"DRPO_HOME": folder, "HF_DATASETS_CACHE": f"{folder}/cache"}
        results = []
        for name in WAYS:
            command = [sys.executable, __file__, "--model", str(asked.model), "--way", name]
            done = subprocess.run(
                [*command, str(path)], check=True, stdout=subprocess.PIPE, env=os.environ | home
            )
            results.append(json.loads(done.stdout.splitlines()[-1]))
            print(results[-1], flush=True)
    load = os.getloadavg()[0]
    lines = [
        "# Reading preference pairs",
        "",
        f"{asked.rows:,} pairs, {size / 2**20:.1f} MiB of JSON Lines, {os.cpu_count()} cores, "
        f"load {load:.0f} while measuring (so wall time is an upper bound where it is above "
        f"{os.cpu_count()}). Made by `python benchmarks/import_pairs.py`.",
        "",
        "| way | rows | wall s | CPU s | extra memory MB |",
        "|---|---|---|---|---|",
        *(
            f"| {r['way']} | {r['rows']:,} | {r['wall_s']} | {r['cpu_s']} | {r['extra_mb']} |"
            for r in results
        ),
    ]
    (HERE / "import_pairs.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
