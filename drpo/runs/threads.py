"""How many processor threads a run computes with: decided at its start, kept for life.

Sums over threads round differently for different numbers of them, so a resumed run is equal to a
straight one, bit for bit, only with the number it began with; see docs/determinism.md.
"""

from __future__ import annotations

import os

from drpo.files import read_json, write_json
from drpo.store import Store, run_folder
from drpo.store.schema import Run
from drpo.system import processes

_FILE = "threads.json"


def fix_threads(run: Run, store: Store, ranks: int = 1) -> int:
    """Set torch's number of threads to the run's own, and return it.

    A new run takes `OMP_NUM_THREADS` where that is set, else the cores that are free; several ranks
    share them.
    """
    file = run_folder(run.id) / _FILE
    # A power cut may have left it empty; such a run goes on with a number counted anew.
    threads = kept_threads(run.id)
    if threads is None:
        wanted = os.environ.get("OMP_NUM_THREADS", "")
        threads = int(wanted) if wanted.isdigit() and int(wanted) else free_cores(run, store)
        write_json(file, {"threads": threads})
    import torch

    threads = max(1, threads // ranks)
    torch.set_num_threads(threads)
    return threads


def kept_threads(run_id: str) -> int | None:
    """Return the number a run began with, or None where it has not begun."""
    threads = read_json(run_folder(run_id) / _FILE).get("threads")
    return threads if isinstance(threads, int) and threads > 0 else None


def free_cores(run: Run, store: Store) -> int:
    """Return a run's share of the cores that no other live run of this workspace computes with.

    Runs that are about to start, as the two of a story do, share what is left; each has one at
    least.
    """
    free, starting = processes.cores(), 1
    for other in store.runs.all(statuses=("running", "paused"), archived=True):
        elsewhere = not processes.is_here(other) or (other.device or "").startswith("cuda")
        dead = other.pid is not None and not processes.process_lives(other)
        if other.id == run.id or elsewhere or dead:
            continue
        taken = kept_threads(other.id)
        free -= taken or 0
        starting += taken is None
    return max(1, free // starting)
