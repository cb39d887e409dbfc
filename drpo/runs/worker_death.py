"""What is told of a worker that the system killed for memory: stage, peak, and what would fit."""

from __future__ import annotations

import signal

from drpo.config.run_config import RunConfig
from drpo.errors import DrpoError
from drpo.files import read_json
from drpo.home import fetch_file
from drpo.runs import event_words, memory_fit, peaks
from drpo.runs.worker_ends import End
from drpo.store import run_folder
from drpo.store.schema import Run
from drpo.system.memory import GB

NEAR = 0.5
"""Share of what was free at its start that a process must have held, for memory to be the likely
reason of a kill that the system does not count."""


def memory_end(run: Run, status: int | None, *, counted: bool) -> End | None:
    """Say that a run's worker was killed for memory, where it was and what it held is known.

    Args:
        run: Its run, as it stood.
        status: How the process ended, as `Popen.returncode` gives it; None where another process
            started it.
        counted: Whether the system counted a kill for memory at that time.
    """
    file = run_folder(run.id) / peaks.FILE
    fetch_file(file)
    kept = read_json(file)
    room, peak = kept.get("room"), kept.get("peak")
    if status not in (None, -signal.SIGKILL) or not isinstance(room, int):
        return None
    if not isinstance(peak, int):
        return None
    likely = status is not None and peak > NEAR * room and peak > GB
    if not counted and not likely:
        return None
    try:
        config = RunConfig.from_nested(run.config)
        stage = str(kept.get("stage", run.stage))
        facts = memory_fit.facts_of("killed_for_memory", config, stage, peak, room)
    except DrpoError:  # its settings or models are of another version, or gone
        return None
    return End(event_words.of_memory(facts, lang="en"), facts)
