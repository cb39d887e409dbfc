"""How much memory a run may take, and how much its process holds and held."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path

import psutil

from drpo.system.limits import SHARE, free_memory

GB = 10**9
LIMIT = "DRPO_MEMORY_GB"
"""Environment variable: what a run on the processor may take at most, in GB."""
_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of glibc's malloc.h."""


def give_back_freed() -> None:
    """Let the allocator return every large block to the system when it is freed.

    glibc learns to keep blocks of up to 32 MiB for later, in a heap that then falls to pieces:
    a training step of a 135M model held 2.3 GB where 1.2 were in use, and with activations
    computed anew 2.3 where .3 were. Asking the system each time costs 15 to 45 % of processor time
    in tensors of just above a MiB, and nothing in smaller ones; who is small should not ask.
    """
    if sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # musl has none
            mallopt(_MMAP_THRESHOLD, 2**20)


def room() -> int:
    """Bytes that a run on the processor may take: as asked for, else most of what is free."""
    asked = os.environ.get(LIMIT, "")
    try:
        return int(float(asked) * GB)
    except ValueError:
        return int(SHARE * free_memory())


def peak() -> int:
    """Bytes this process held at its most since it began, or since `forget_peak`."""
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def held() -> int:
    """Bytes this process holds now."""
    return int(psutil.Process().memory_info().rss)


def forget_peak() -> None:
    """Count the peak from now on, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return


def _status(field: str) -> int | None:
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = next((line for line in text.splitlines() if line.startswith(field)), None)
    return None if found is None else int(found.split()[1]) * 1024
