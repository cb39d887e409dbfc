"""What the viewers of one run share: made once, whoever asks first, and handed to all of them.

Twenty people who follow a run look at the same curves. What is shared is kept by what it was made
of, so that nobody is shown what another run, version or language asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")

MOST = 64
"""Things kept at once; the one that was asked for longest ago goes first."""

_kept: OrderedDict[Hashable, object] = OrderedDict()
_lock = threading.Lock()
_making: dict[Hashable, threading.Lock] = {}


def shared(key: Hashable, make: Callable[[], T]) -> T:
    """Return what is kept under a key; made now where there is nothing.

    Args:
        key: Everything that the result depends on.
        make: Makes it; called once, while others who want the same wait for it.
    """
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return cast("T", _kept[key])
        turn = _making.setdefault(key, threading.Lock())
    with turn:
        with _lock:
            if key in _kept:
                return cast("T", _kept[key])
        try:
            made = make()
        finally:
            with _lock:
                _making.pop(key, None)
        with _lock:
            _kept[key] = made
            while len(_kept) > MOST:
                _kept.popitem(last=False)
    return made
