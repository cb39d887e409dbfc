"""An evaluation beside the dashboard: `python -m drpo.evaluation.job FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from drpo.evaluation.evaluate import evaluate
from drpo.evaluation.policies import contestant
from drpo.store import Store
from drpo.system.jobs import JobFolder, run_job
from drpo.system.limits import limit_this_process


def evaluate_runs(job: JobFolder) -> dict[str, Any]:
    """Evaluate the runs that the job names; the results go to the store, as from `drpo eval`."""
    store = Store()
    try:
        contestants = [contestant(store, run_id) for run_id in job.options["runs"]]
        return evaluate(store, contestants, progress=job.progress).to_dict()
    finally:
        store.close()


if __name__ == "__main__":
    limit_this_process()
    sys.exit(run_job(Path(sys.argv[1]), evaluate_runs))
