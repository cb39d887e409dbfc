"""What a run's process held at its most, stage by stage, kept in a file that outlives its death."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drpo.files import read_json, write_json
from drpo.system import allocator, memory

LOOK_SECONDS = 0.25
FILE = "memory.json"
WORTH_WRITING = 1.05
"""A peak this many times that of the file is written."""
WORTH_RELEASING = 2 * memory.GB
"""Where a process holds more than this at the end of a stage, what is free goes to the system: it
is read anew page by page, which a toy's short stages would feel."""


class PeakWatch:
    """Watches this process's memory from a thread of its own.

    Args:
        stage: Says what the process is at.
        file: Where `stage`, `peak` and `by_stage` are kept, beside what else is in it.
    """

    def __init__(self, stage: Callable[[], str], file: Path) -> None:
        self.by_stage: dict[str, int] = {}
        self._stage, self._file = stage, file
        self._written: tuple[str, float] = ("", 0.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="drpo-peaks", daemon=True)

    def start(self) -> None:
        """Begin."""
        memory.forget_peak()
        self._thread.start()

    def stop(self) -> dict[str, int]:
        """End; returns the bytes held at most in each stage."""
        self._ended.set()
        self._thread.join()
        self._look()
        return self.by_stage

    @property
    def peak(self) -> int:
        """The most of all stages."""
        return max(self.by_stage.values(), default=0)

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        stage = self._stage()
        last = next(reversed(self.by_stage), stage)
        peak = memory.peak()
        # What was held up to here belongs to the stage before, but for a quarter of a second.
        self.by_stage[last] = max(self.by_stage.get(last, 0), peak)
        if stage != last:
            if memory.held() > WORTH_RELEASING:
                allocator.release()
            memory.forget_peak()
            again = self.by_stage.pop(stage, 0)
            self.by_stage[stage] = max(again, memory.held())
        written_stage, written = self._written
        if stage != written_stage or self.by_stage[stage] > WORTH_WRITING * written:
            self._written = (stage, self.by_stage[stage])
            keep(self._file, stage=stage, peak=self.by_stage[stage], by_stage=self.by_stage)


def keep(file: Path, **facts: Any) -> None:  # noqa: ANN401 - any JSON
    """Add facts to the file."""
    write_json(file, {**read_json(file), **facts})
