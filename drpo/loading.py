"""Models are loaded one at a time in a process.

While transformers builds a model it sets the number format that every new tensor of the process
gets, and puts the old one back. Two runs in threads of one process (`executor: thread`) that load
at once then get each other's format, and what is put back last may be the wrong one for good.

A run that is already training in the same process still sees the other format while a model is
being loaded beside it; runs of different formats belong into processes of their own.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# Re-entrant: loading an adapter loads the model that it belongs to.
_LOADING = threading.RLock()


def one_at_a_time(load: Callable[P, R]) -> Callable[P, R]:
    """Let a function wait while another thread is loading a model."""

    @functools.wraps(load)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        with _LOADING:
            return load(*args, **kwargs)

    return alone
