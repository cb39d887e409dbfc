"""Stopping between two forward passes: wherever a network is at work, within one pass of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

from torch import nn

from drpo.parallel.ranks import ALONE, Ranks


class StopAskedError(Exception):
    """Somebody asked to stop in the middle of something that can be given up."""


@contextlib.contextmanager
def stops_between_passes(
    networks: Iterable[nn.Module | None], asked: Callable[[], bool], ranks: Ranks = ALONE
) -> Iterator[None]:
    """Ask before every forward pass of some networks whether to stop: before every token too.

    Args:
        networks: Models, adapters or not; None is passed over.
        asked: Whether somebody asked to stop; called very often.
        ranks: Who else does this; where one is asked, all stop.

    Raises:
        StopAskedError: Somebody did. What was under way is left as it is.
    """

    def look(*_: object) -> None:
        if asked():
            raise StopAskedError

    bodies = {id(body): body for body in map(_body, networks) if body is not None}
    handles = [body.register_forward_pre_hook(look) for body in bodies.values()]
    try:
        with ranks.together():
            yield
    finally:
        for handle in handles:
            handle.remove()


def _body(network: nn.Module | None) -> nn.Module | None:
    """Find the part of a network that every pass goes through, with its head or without."""
    inner = getattr(network, "get_base_model", lambda: network)()
    body = getattr(inner, "base_model", inner)
    return body if isinstance(body, nn.Module) else None
