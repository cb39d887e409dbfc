"""The allocator of workers: tcmalloc, where the system has it.

glibc gives large blocks back to the system one by one or keeps them in a heap that falls to pieces;
tcmalloc does neither. docs/memory.md has the figures.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from ctypes.util import find_library
from functools import cache

LIBRARY = "tcmalloc_minimal"
"""The part of gperftools that allocates and does nothing else; Debian's `libtcmalloc-minimal4`."""


def preload() -> Mapping[str, str]:
    """Return what a new process must be told by its environment to allocate with tcmalloc.

    Nothing where the library is not installed, or where somebody preloads something already.
    """
    name = None if os.environ.get("LD_PRELOAD") else _found()
    return {} if name is None else {"LD_PRELOAD": name}


def release() -> None:
    """Give the system what tcmalloc keeps for later; nothing where another allocator is loaded."""
    if sys.platform.startswith("linux"):
        give = getattr(ctypes.CDLL(None), "MallocExtension_ReleaseFreeMemory", None)
        if give is not None:
            give()


@cache
def _found() -> str | None:
    # Its name, not its place: the loader looks for it where the process begins.
    return find_library(LIBRARY) if sys.platform.startswith("linux") else None
