"""Does everything work on a GPU, how fast is it, and how much memory does it take?

    python -m benchmarks.gpu [--part all|smoke|formats|speed] [--quick] [--seconds 460]

From the repository's top. Models have random weights and are made on the spot, so nothing is
downloaded. What fails is a line or a row of the result and does not end the rest; the exit status
is 1 if a step of the smoke test failed. The tables are printed last and written to gpu.md, all
figures to gpu.json. `--quick` runs the same code with tiny models, on a processor too, in a minute
or two: to see that it works, never how fast.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import traceback
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

from benchmarks.gpu import report
from benchmarks.gpu.ceilings import Ceilings, measure_ceilings
from benchmarks.gpu.formats import CASES, compare_formats
from benchmarks.gpu.material import SHAPES, Shape, scratch
from benchmarks.gpu.smoke import Outcome, run_smoke
from benchmarks.gpu.steps import Material
from benchmarks.gpu.subject import QUICK, Row, Sizes, clear, load_subject, measure

BYTES_A_WEIGHT = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=("all", "smoke", "formats", "speed"), default="all")
    parser.add_argument("--quick", action="store_true", help="Tiny models, to see that it works.")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--shapes", default="", help="Only shapes whose name matches.")
    parser.add_argument("--steps", default="", help="Only steps whose name matches.")
    parser.add_argument("--seconds", type=float, default=460.0, help="Nothing begins later.")
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), help="Folder to write to.")
    asked = parser.parse_args()
    until = time.monotonic() + asked.seconds
    if asked.device == "cpu" and not asked.quick:
        sys.exit("There is no GPU here; expected one, or --quick to try the code on the processor.")
    disable_progress_bar()
    device = torch.device(asked.device)
    steps: list[Outcome] = []
    rows: list[Row] = []
    ceilings: Ceilings | None = None
    known = report.facts(device)
    print(known, flush=True)
    if asked.part in ("all", "smoke"):
        with scratch(2**30) as folder:
            steps = run_smoke(Material(folder, asked.device, asked.quick), until, asked.steps)
        report.write(asked.out, known, ceilings, rows, steps)
    if asked.part in ("all", "formats"):
        rows += compare_formats(device, CASES[:1] if asked.quick else CASES)
        report.write(asked.out, known, ceilings, rows, steps)
    if asked.part in ("all", "speed"):
        ceilings = measure_ceilings(device, quick=asked.quick)
        wanted = [one for one in SHAPES if re.search(asked.shapes, one.name)]
        for at, shape in enumerate(wanted):
            # The time that is left is shared by the shapes that are left.
            share = (until - time.monotonic()) / (len(wanted) - at)
            rows += _measure(
                shape.tiny() if asked.quick else shape,
                device,
                ceilings,
                time.monotonic() + share,
                first=at == 0,
                quick=asked.quick,
            )
            report.write(asked.out, known, ceilings, rows, steps)
    print(report.write(asked.out, known, ceilings, rows, steps))
    sys.exit(0 if all(step.ok for step in steps) else 1)


def _measure(
    shape: Shape,
    device: torch.device,
    ceilings: Ceilings,
    until: float,
    *,
    first: bool,
    quick: bool,
) -> list[Row]:
    """Measure one shape; whatever happens, the next one has its turn."""
    sizes = QUICK if quick else Sizes()
    rows: list[Row] = []
    try:
        with scratch(4 * BYTES_A_WEIGHT * 3e9) as folder:
            subject = load_subject(shape, folder, device, ceilings, until, sizes)
            rows = subject.rows
            measure(subject, sizes, first=first)
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        rows.append({"kind": "rollout", "shape": shape.name, "error": said})
        traceback.print_exc()
    subject = None
    clear(device)
    return rows


if __name__ == "__main__":
    main()
