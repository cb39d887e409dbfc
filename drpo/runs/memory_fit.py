"""Settings that fit into the memory there is: chosen, tried before a run, and told when one dies.

What is tried is real: a process of its own carries out every stage on one micro-batch of the run's
longest rows (`drpo.runs.memory_probe`). Where calculation alone says that a run takes a small part
of what there is, as toys do, nothing is tried.
"""

from __future__ import annotations

import math
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drpo.config.run_config import RunConfig
from drpo.errors import DrpoError, LimitError
from drpo.files import read_json, write_json
from drpo.runs import estimate, event_words, peaks
from drpo.runs.memory_estimate import LIBRARIES
from drpo.system import memory, processes

WORTH_TRYING = 0.25
"""Share of the memory there is, from which on a run is tried first. Calculation errs by less than
the factor of four that this leaves, and a try of a real model takes a minute that nobody sees."""
GIVES_BACK = 2**29
"""Bytes beyond the libraries from which on a run gives freed blocks back to the system at once."""
POLL_SECONDS = 0.1
SPARE = 0.9
"""Share of the memory that a choice by calculation may fill."""


@dataclass(frozen=True)
class Tried:
    """What one try showed."""

    by_stage: dict[str, int]
    """Bytes held at most in each stage that was reached."""
    stage: str = ""
    """The stage in which memory ran out; empty where none did."""
    error: str = ""
    """What else went wrong, in a sentence: the run itself will say it."""


class DoesNotFitError(LimitError):
    """A micro-batch of the run's longest rows does not fit."""

    def __init__(self, config: RunConfig, stage: str, peak: int, room: int) -> None:
        self.facts = facts_of("does_not_fit", config, stage, peak, room)
        super().__init__(event_words.of_memory(self.facts, lang="en"))


def facts_of(how: str, config: RunConfig, stage: str, peak: int, room: int) -> dict[str, Any]:
    """Return what is told of a run that memory stopped: bytes and names, no words."""
    found = fitting(config, room)
    return {
        "how": how if found else f"{how}_at_all",
        "stage": stage,
        "peak": peak,
        "room": room,
        "settings": ", ".join(f"{name}={_written(value)}" for name, value in (found or {}).items()),
    }


def _written(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def chosen(config: RunConfig, room: int) -> RunConfig:
    """Choose the micro-batch where the settings leave it open: the largest that should fit."""
    if config.ppo.micro_batch_size is not None:
        return config
    sizes = list(_halved(config.ppo.rows_at_once))
    for size in sizes:
        wanted = config.replace(micro_batch_size=size)
        if _calculated(wanted, room) <= SPARE * room:
            return wanted
    return config.replace(micro_batch_size=sizes[-1])


def fitting(config: RunConfig, room: int) -> dict[str, Any] | None:
    """Return the smallest change of settings that should fit by calculation; None where none."""
    sizes: list[dict[str, Any]] = [
        {"micro_batch_size": size} for size in _halved(config.ppo.rows_at_once // 2)
    ]
    saving: dict[str, Any] = {"gradient_checkpointing": True}
    asked = [*sizes, saving, *({**saving, **size} for size in sizes)]
    adapters = {} if config.models.lora_rank else {"lora_rank": 16}
    least = {**saving, "micro_batch_size": 1, **adapters}
    shorter = [{**least, "max_response_length": length} for length in (1024, 512, 256, 128)]
    for changes in [*asked, least, *shorter]:
        if _calculated(config.replace(**changes), room) <= SPARE * room:
            return changes
    return None


def worth_trying(config: RunConfig, room: int) -> bool:
    """Whether a run may come near to what there is, apart from any worker's part."""
    try:
        return _calculated(config, room) - LIBRARIES > WORTH_TRYING * room
    except DrpoError:
        return False  # what is wrong with data or models is told by whoever reads them


def settle_allocator(config: RunConfig) -> None:
    """Let this process keep memory as a run of these settings does: the try like the run itself.

    What a large run holds is what it uses only if freed blocks go back; toys use less than would
    matter and are faster without.
    """
    try:
        large = _calculated(config, math.inf) - LIBRARIES > GIVES_BACK
    except DrpoError:
        return  # what is wrong with data or models is told by whoever reads them
    if large:
        memory.give_back_freed()


def fitted(
    config: RunConfig,
    folder: Path,
    room: int,
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> RunConfig:
    """Return a run's settings as they are carried out in so much memory, tried where it matters.

    What was settled once is kept in the run's folder: a resumed run computes with the same sizes.

    Raises:
        DoesNotFitError: Its longest rows do not fit, with the settings that should.
    """
    file = folder / peaks.FILE
    known = read_json(file)
    if isinstance(known.get("micro_batch_size"), int):
        return config.replace(micro_batch_size=known["micro_batch_size"])
    try:
        wanted = chosen(config, room)
        trying = worth_trying(wanted, room)
    except DrpoError:
        return config  # what is wrong with data or models is told by whoever reads them
    while trying:
        found = tried(wanted, folder, room, stopped=stopped)
        if stopped():
            return wanted
        if not found.stage:
            if not found.error:
                peaks.keep(file, probed=found.by_stage)
            break
        size = wanted.ppo.rows_at_once // 2
        if config.ppo.micro_batch_size is not None or not size:
            peak = max(found.by_stage.values(), default=0)
            raise DoesNotFitError(wanted, found.stage, peak, room)
        wanted = wanted.replace(micro_batch_size=size)
    peaks.keep(file, micro_batch_size=wanted.ppo.rows_at_once)
    return wanted


def planned(config: RunConfig, plan: estimate.Estimate) -> tuple[RunConfig, estimate.Estimate]:
    """Say what a run on the processor would really take, where its models are here and it matters.

    Returns:
        The settings with the micro-batch that a run started now would choose, and the estimate:
        with measured memory where something was tried, else as it came.

    Raises:
        DoesNotFitError: Its longest rows do not fit, with the settings that should.
    """
    local = Path(config.models.policy).expanduser().is_dir()
    if plan.device != estimate.ON_CPU or not local:
        return config, plan
    with tempfile.TemporaryDirectory(prefix="drpo-plan-") as folder:
        wanted = fitted(config, Path(folder), memory.room())
        kept = read_json(Path(folder) / peaks.FILE).get("probed")
    if not kept:
        again = estimate.estimate_run(wanted)
        by_stage, most = again.memory_by_stage, again.memory_bytes
        return wanted, replace(plan, memory_by_stage=by_stage, memory_bytes=most)
    most = float(max(kept.values()))
    return wanted, replace(plan, memory_by_stage=kept, memory_bytes=most, memory_source="tried")


def tried(
    config: RunConfig,
    folder: Path,
    room: int,
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> Tried:
    """Let a process of its own carry out every stage on the longest rows.

    Args:
        config: The run.
        folder: Where the process may write; it leaves nothing but its log.
        room: Bytes that it may take.
        stopped: Asked ten times a second; the process is ended when it says so.
    """
    asked, told = folder / "probe.json", folder / "probed.json"
    told.unlink(missing_ok=True)
    write_json(asked, {"config": config.model_dump(mode="json"), "room": room})
    child = processes.start_module(
        "drpo.runs.memory_probe", str(asked), str(told), log=folder / "probe.log"
    )
    try:
        while child.poll() is None:
            if stopped():
                return Tried({})
            time.sleep(POLL_SECONDS)
    finally:
        _end(child)
    found = read_json(told)
    by_stage = {str(name): int(size) for name, size in found.get("by_stage", {}).items()}
    last = next(reversed(by_stage), "starting")
    # Ended by a signal: what the system does to a process that memory runs out for.
    short = bool(found.get("short")) or (child.returncode or 0) < 0
    error = str(found.get("error", "")) or ("" if found.get("done") else "it said no last word")
    asked.unlink(missing_ok=True)
    told.unlink(missing_ok=True)
    return Tried(by_stage, last if short else "", "" if short else error)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
    child.wait()


def _calculated(config: RunConfig, room: float) -> float:
    """Bytes in a run's largest stage; its rows are read only where their lengths matter."""
    most = estimate.most_memory(config)
    if most - LIBRARIES <= min(GIVES_BACK, WORTH_TRYING * room) and most <= SPARE * room:
        return most
    return estimate.calculated_memory(config)


def _halved(size: int) -> Iterator[int]:
    while size >= 1:
        yield size
        size //= 2
