"""Why a worker that wrote no end is gone: killed for memory, killed by somebody, or unknown."""

from __future__ import annotations

import signal
from typing import Any

from drpo.config.run_config import RunConfig
from drpo.errors import DrpoError
from drpo.files import read_json
from drpo.runs import estimate, event_words, memory_fit, peaks
from drpo.store import run_folder
from drpo.store.schema import Run
from drpo.system import memory

NEAR = 0.5
"""Share of what was free at its start that a process must have held, for memory to be the likely
reason of a kill where the system keeps no count."""


def why_it_died(run: Run, code: int | None) -> tuple[str, dict[str, Any]]:
    """Say why a run's worker is gone.

    Args:
        run: Its run, as it stood.
        code: How the process ended: minus the signal, or its exit status; None where whoever
            started it is another process.

    Returns:
        The sentence, in English, and what it says as figures.
    """
    kept = read_json(run_folder(run.id) / peaks.FILE)
    if code in (None, -signal.SIGKILL) and _for_memory(kept, code):
        try:
            config = RunConfig.from_nested(run.config)
            stage, peak = str(kept.get("stage", run.stage)), int(kept.get("peak", 0))
            room = int(kept["room"])
            facts = memory_fit.facts_of("killed_for_memory", config, stage, peak, room)
            return event_words.of_memory(facts, lang="en"), facts
        except (DrpoError, KeyError):
            pass  # its settings or models are of another version, or gone
    if code is not None and code < 0:
        told = f"Its worker was killed from outside (signal {-code}), not for memory."
        return told, {"how": "killed", "signal": -code}
    return "Its worker ended without saying why; worker.log may tell.", {"how": "vanished"}


def _for_memory(kept: dict[str, Any], code: int | None) -> bool:
    before, now = kept.get("kernel_kills"), memory.kernel_kills()
    if isinstance(before, int) and now is not None:
        return now > before
    room, peak = kept.get("room"), kept.get("peak")
    if code is None or not isinstance(room, int) or not isinstance(peak, int):
        return False
    return peak > NEAR * room and peak > estimate.GIB
