"""A look beside the dashboard: `python -m drpo.advice.job FOLDER`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drpo.advice.advise import advise, document
from drpo.advice.carry import look_at
from drpo.config.run_config import RunConfig
from drpo.runs import preflight
from drpo.store import Store
from drpo.system.jobs import JobFolder, run_job
from drpo.system.limits import limit_this_process
from drpo.types import Observer


class _Told(Observer):
    """Passes on how far the drawing is."""

    def __init__(self, tell: Callable[[str, int, int], None]) -> None:
        self.tell = tell

    def progress(self, stage: str, done: int, total: int) -> None:
        """Pass it on."""
        self.tell(stage, done, total)


def look(job: JobFolder) -> dict[str, Any]:
    """Draw for the settings that the job names, and say what follows."""
    config = RunConfig.from_nested(job.options["config"])
    store = Store()
    try:
        preflight.check(config, store)
        found = look_at(config, store, _Told(job.progress), seconds=job.options["seconds"])
    finally:
        store.close()
    return document(found, advise(found))


if __name__ == "__main__":
    limit_this_process()
    sys.exit(run_job(Path(sys.argv[1]), look))
