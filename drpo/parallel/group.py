"""Ranks that are processes of one machine, through torch.distributed.

Tensors on GPUs travel by NCCL, all else by gloo over the loopback device. Nothing is wrapped:
`DistributedDataParallel` would average means of each rank's own tokens, and want as many forward
passes of each rank; here a gradient is summed once a step, after the last micro-batch.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from drpo.errors import RanksError, first_line
from drpo.parallel.ranks import ALONE, Item, Ranks, Result

PATIENCE = timedelta(days=1)
"""How long a rank waits for another. One that has died is noticed otherwise, and at once."""


class Group(Ranks):
    """One of several processes that have found each other.

    Every exchange begins with the question whether all is well, so that a rank that has to leave
    can say why at the others' next exchange, whatever that is.
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self._known: BaseException | None = None
        """What all ranks have heard of already."""

    def each(
        self, items: Sequence[Item], work: Callable[[Sequence[Item]], Sequence[Result]]
    ) -> Sequence[Result]:
        """See `Ranks`."""
        mine = self.share(items)
        done = list(work(mine)) if mine else []
        results: list[Any] = [None] * len(items)
        for rank, part in enumerate(self._told(done)):
            results[rank :: self.size] = part
        return results

    def add(self, *tensors: Tensor) -> None:
        """See `Ranks`."""
        self._meet()
        for tensor in tensors:
            dist.all_reduce(tensor)

    def add_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """See `Ranks`; a weight that no rank has a gradient for still has none."""
        self._meet()
        trained = list(weights)
        given = torch.tensor([weight.grad is not None for weight in trained], dtype=torch.int32)
        dist.all_reduce(given, dist.ReduceOp.MAX)
        under_way = []
        for weight in (one for one, some in zip(trained, given.tolist(), strict=True) if some):
            found = torch.zeros_like(weight) if weight.grad is None else weight.grad
            weight.grad = found.contiguous()
            under_way.append(dist.all_reduce(weight.grad, async_op=True))
        for one in under_way:
            one.wait()

    def add_figures(self, sums: Mapping[str, float]) -> dict[str, float]:
        """See `Ranks`."""
        total: dict[str, float] = {}
        for part in self._told(dict(sums)):
            for name, value in part.items():
                total[name] = total.get(name, 0.0) + value
        return total

    def first(self, work: Callable[[], Result]) -> Result:
        """See `Ranks`."""
        found: list[Any] = [work() if self.rank == 0 else None]
        self._meet()
        dist.broadcast_object_list(found, src=0)
        answer: Result = found[0]
        return answer

    def alike(self, name: str, value: Item) -> Item:
        """See `Ranks`."""
        found = self._told(value)
        other = next((rank for rank, one in enumerate(found) if one != found[0]), None)
        if other is not None:
            raise RanksError(
                f"{name} of rank {other} differ from those of rank 0, though both did the same; "
                "expected equal ones. A device that computes wrongly would do this. The last "
                "checkpoint is whole: resume the run, with devices 1 if it happens again."
            )
        return value

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """See `Ranks`."""
        try:
            yield
        except BaseException as error:
            if not self._is_known(error):
                self._leave(error)
            raise
        self._meet()

    def _told(self, mine: Item) -> list[Item]:
        """Return what each rank has to say, in their order."""
        self._meet()
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, mine)
        return found

    def _meet(self, news: BaseException | None = None) -> None:
        """Wait for all ranks; raise what one of them had to raise."""
        some = torch.tensor([int(news is not None)])
        dist.all_reduce(some, dist.ReduceOp.MAX)
        if not int(some):
            return
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, None if news is None else portable(news, self.rank))
        self._known = news or next(one for one in found if one is not None)
        if news is None:
            raise self._known

    def _leave(self, error: BaseException) -> None:
        """Tell the others why this rank goes no further; there may be none left to hear it."""
        with contextlib.suppress(RuntimeError):
            self._meet(error)

    def _is_known(self, error: BaseException | None) -> bool:
        """Whether an error, or one that it came from, was heard by all."""
        while error is not None:
            if error is self._known:
                return True
            error = error.__cause__ or error.__context__
        return False


def portable(error: BaseException, rank: int) -> BaseException:
    """An error as other processes can raise it: itself where it can travel, else its sentence."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RanksError(f"Rank {rank} failed: {type(error).__name__}: {first_line(error)}")
    return error


_joined: list[Ranks] = []


def here() -> Ranks:
    """Return this process's place among the ranks of its run: a process has one at most."""
    return _joined[-1] if _joined else ALONE


@contextlib.contextmanager
def joined(
    rank: int,
    size: int,
    meeting: Path,
    *,
    on_gpu: bool = False,
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[Ranks]:
    """Be one of the ranks of a run; `here` says so meanwhile.

    Args:
        rank: Which one.
        size: How many there are.
        meeting: A file that does not exist yet, through which they find each other.
        on_gpu: Whether they compute on GPUs, each seeing its own as the first.
        waiting: Called now and then until all have come.

    Yields:
        The ranks, once all have come.
    """
    if sys.platform.startswith("linux"):
        # All are on one machine: no other should be able to reach them.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    store = dist.FileStore(str(meeting), size)  # type: ignore[attr-defined]
    store.set(_arrival(rank), "")
    while not store.check([_arrival(one) for one in range(size)]):
        waiting()
        time.sleep(0.05)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        store=store,
        rank=rank,
        world_size=size,
        timeout=PATIENCE,
    )
    _joined.append(Group(rank, size))
    try:
        yield here()
    finally:
        _joined.pop()
        with contextlib.suppress(RuntimeError):  # others may be gone, and this one goes now
            dist.destroy_process_group()


def _arrival(rank: int) -> str:
    return f"rank {rank} is here"
