"""What one process may take of this machine: memory below what is free, and processor time.

A process that goes beyond is stopped by the system at that place, with an error that becomes a
sentence, instead of taking other processes down with it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from drpo.errors import DrpoError, LimitError

SHARE = 0.85
"""Of the memory that is free at a process's start; the rest is for those that live beside it."""
LEAST = 2**30
"""Bytes; less than this and no check could start, and then the system's own means are enough."""
GRACE_SECONDS = 30
"""Between the error that processor time is used up and the end of whoever does not hear it."""
_OUT_OF_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "unable to allocate",
)


def limit_this_process(
    *, processor_seconds: int | None = None, memory: int | None = None
) -> int | None:
    """Set this process's limits, for its whole life.

    Args:
        processor_seconds: Processor time it may use; None for any.
        memory: Bytes that it may have beyond what it has now; None for a share of what is free.

    Returns:
        Bytes that it may have beyond what it has now; None where the system knows no such limit.
    """
    if sys.platform == "win32":
        return None
    import resource

    if processor_seconds is not None:
        signal.signal(signal.SIGXCPU, _out_of_time)
        hard = processor_seconds + GRACE_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (processor_seconds, hard))
    if not sys.platform.startswith("linux"):
        return None  # elsewhere the limit is ignored
    more = max(LEAST, int(free_memory() * SHARE)) if memory is None else memory
    # Private memory that can be written to. Address space would be the wrong measure: a GPU's
    # driver reserves hundreds of gigabytes of it that nobody ever uses.
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + more, resource.RLIM_INFINITY))
    return more


def free_memory() -> int:
    """Bytes that a new process could have: of the machine, or of the group it is confined to."""
    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        most = (group / "memory.max").read_text(encoding="ascii").strip()
        used = int((group / "memory.current").read_text(encoding="ascii"))
        cache = dict(
            line.split()
            for line in (group / "memory.stat").read_text(encoding="ascii").splitlines()
        )
        reclaimable = int(cache.get("inactive_file", 0))
    except (OSError, ValueError):
        return free
    return free if most == "max" else max(0, min(free, int(most) - used + reclaimable))


def out_of_memory_kills() -> int:
    """How many processes the system has killed for memory: of this group, or of the machine."""
    for file in ("/sys/fs/cgroup/memory.events", "/proc/vmstat"):
        try:
            lines = Path(file).read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        found = dict(line.split() for line in lines if len(line.split()) == 2)
        if "oom_kill" in found:
            return int(found["oom_kill"])
    return 0


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that there was not enough memory.

    torch's allocator for the processor raises a plain RuntimeError, other libraries their own.
    """
    seen: BaseException | None = error
    while seen is not None:
        said = str(seen).lower()
        # What a sentence of ours tells of memory, its cause tells as well if it is so.
        ours = isinstance(seen, DrpoError)
        if not ours and (isinstance(seen, MemoryError) or any(w in said for w in _OUT_OF_MEMORY)):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _data_bytes() -> int:
    """What counts already against the limit on data: the field of that name in /proc."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return int(psutil.Process(os.getpid()).memory_info().rss)


def _out_of_time(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise LimitError(
        "It took more processor time than any honest file of its size; bring a smaller or simpler "
        "one."
    )
