"""Take every step of the smoke test, each on its own."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.gpu.commands import Commands
from benchmarks.gpu.steps import Material, clean_up, steps


@dataclass(frozen=True)
class Outcome:
    """How one step went."""

    name: str
    ok: bool
    seconds: float
    said: str
    trace: str = ""

    def line(self) -> str:
        """For people."""
        return f"{'ok  ' if self.ok else 'FAIL'} {self.seconds:5.1f} s  {self.name}: {self.said}"


def take(name: str, act: Callable[[], str]) -> Outcome:
    """Do one step; whatever happens becomes an outcome."""
    began = time.monotonic()
    said, trace, ok = "", "", False
    try:
        said, ok = act(), True
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        trace = traceback.format_exc()
    clean_up()
    return Outcome(name, ok, time.monotonic() - began, said, trace)


def run_smoke(material: Material, until: float, wanted: str = "") -> list[Outcome]:
    """Take the steps in turn; those that no time is left for are failures, too.

    Args:
        material: What they work on.
        until: No step begins after this moment of the monotonic clock.
        wanted: Only steps whose name matches this pattern.
    """
    outcomes: list[Outcome] = []
    for name, act in [*steps(material), *Commands(material).steps()]:
        if not re.search(wanted, name):
            continue
        if time.monotonic() < until:
            outcomes.append(take(name, act))
        else:
            outcomes.append(Outcome(name, ok=False, seconds=0.0, said="not tried: out of time"))
        print(outcomes[-1].line(), flush=True)
    return outcomes
