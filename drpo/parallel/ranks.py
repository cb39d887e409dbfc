"""The ranks of a run, as training sees them: processes with a device each, alike in all they know.

Every rank carries the whole run out. All hold the same weights, read the same data, draw the same
numbers and come to the same decisions, so nothing has to be told that can be worked out; only work
on rows is shared out, and what came of it is known to all before anybody goes on:

    each    do some work on every item, each rank its share; all get all results
    add     sum up what each rank found of its share: tensors, gradients, figures
    first   one rank alone speaks to the outside; all get its answer

A run on one device is `ALONE`, for which all of these are the work itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from torch import Tensor, nn

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ranks:
    """A process that shares its run with no other."""

    rank = 0
    """This process among those of the run; the first one, 0, speaks to the store and to disk."""
    size = 1
    """How many processes there are."""

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this rank's items: by their places, so that anybody can say whose one is."""
        return items[self.rank :: self.size]

    def shares(self, parts: Iterable[Sequence[Item]]) -> list[Sequence[Item]]:
        """Return this rank's share of each part, without those that have nothing for it."""
        return [mine for part in parts if (mine := self.share(part))]

    def each(
        self, items: Sequence[Item], work: Callable[[Sequence[Item]], Sequence[Result]]
    ) -> Sequence[Result]:
        """Return the results of some work on every item, in order.

        Args:
            items: All of them, on every rank alike.
            work: Done on a rank's share of them; one result an item.
        """
        return work(items)

    def add(self, *_tensors: Tensor) -> None:
        """Put the sum over all ranks into each tensor; 0 where a rank did nothing adds nothing."""

    def add_gradients(self, _weights: Iterable[nn.Parameter]) -> None:
        """Put the sum over all ranks into the gradient of each weight."""

    def add_figures(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Return the sums over all ranks of what stands under each name."""
        return dict(sums)

    def first(self, work: Callable[[], Result]) -> Result:
        """Let the first rank do something, and return what came of it to all."""
        return work()

    def alike(self, _name: str, value: Item) -> Item:
        """Return a value that all ranks must have come to.

        Raises:
            RanksError: One came to another.
        """
        return value

    def together(self) -> AbstractContextManager[None]:
        """Let what one rank raises be raised by all: none may wait for one that has left.

        The others learn of it where they next share something, at the latest at the end.
        """
        return contextlib.nullcontext()


ALONE = Ranks()
"""A run on one device."""
