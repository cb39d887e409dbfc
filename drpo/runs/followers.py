"""The other ranks of a run on several devices: processes that its worker starts, watches and ends.

The worker itself is the first rank. A launcher, torchrun's or accelerate's, would stand between:
the process that the supervisor knows by its pid, that holds the run's lock, beats, hears signals
and limits its memory has to be the one that trains and speaks to the store.

`python -m drpo.runs.followers` is one of the others. Its orders come as a line of JSON on its
input, which stays open while the worker lives: however that dies, they all end.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

from drpo.config.run_config import RunConfig
from drpo.data.run_data import RunData
from drpo.errors import ConfigError, RankDiedError
from drpo.modeling.forward_pass import precision_of
from drpo.parallel.group import joined
from drpo.parallel.ranks import ALONE, Ranks
from drpo.runs import memory_fit, pipeline
from drpo.runs.run_observer import RunObserver
from drpo.runs.worker_ends import signal_name
from drpo.system import processes
from drpo.system.limits import limit_this_process

log = logging.getLogger(__name__)

NOTICED = 5.0
"""Seconds after a broken exchange in which the process that broke it is seen to be gone."""
GRACE = 30.0
"""Seconds after a rank's death in which the worker notices by itself: GPUs may wait for ever."""
LAST_WORDS = 30.0
"""Seconds that the others have to end once the run has."""


@dataclass(frozen=True)
class Orders:
    """What a rank has to know before it can find the others."""

    rank: int
    size: int
    meeting: str
    """File through which they find each other."""
    config: dict[str, Any]
    folder: str
    """The run's."""
    threads: int
    """Processor threads to compute with."""
    room: int | None
    """Bytes of memory that it may take; None where it computes on a GPU."""
    critic_weight: float
    """As of `pipeline.run_stages`."""


@contextlib.contextmanager
def accompanied(
    config: RunConfig,
    folder: Path,
    *,
    threads: int,
    room: int | None,
    critic_weight: float = 1.0,
    lost: Callable[[RankDiedError], None] | None = None,
) -> Iterator[Ranks]:
    """Be the first rank of a run, with the others beside it; `ALONE` where there are none.

    Args:
        config: The run's settings, as they are carried out.
        folder: The run's.
        threads: Processor threads of each rank.
        room: Bytes of memory that each may take on the processor.
        critic_weight: As of `pipeline.run_stages`.
        lost: Called where a rank has died and this one still waits for it; must end the process.

    Yields:
        The ranks, which share what is done meanwhile.

    Raises:
        ConfigError: There are fewer GPUs than devices.
        RankDiedError: One of the others died.
    """
    size = config.models.devices
    if size == 1:
        yield ALONE
        return
    with tempfile.TemporaryDirectory(prefix="drpo-ranks-") as place:
        meeting, told = Path(place) / "meeting", config.model_dump(mode="json")
        orders = [
            Orders(rank, size, str(meeting), told, str(folder), threads, room, critic_weight)
            for rank in range(1, size)
        ]
        with _Followers(orders, _gpus(config), lost) as others:
            try:
                here = joined(0, size, meeting, on_gpu=on_gpu(config), waiting=others.see_all)
                with here as ranks, ranks.together():
                    yield ranks
            except RuntimeError as error:
                # An exchange with a process that is gone ends in this.
                others.see_all(within=NOTICED, cause=error)
                raise


def on_gpu(config: RunConfig) -> bool:
    """Whether a run's ranks compute on GPUs."""
    return precision_of(config.models.device, "float32").device.type == "cuda"


def _gpus(config: RunConfig) -> list[str]:
    """The GPUs of the ranks, by the names that CUDA_VISIBLE_DEVICES takes; none on a processor."""
    if not on_gpu(config):
        return []
    gpus, wanted = processes.gpus(), config.models.devices
    if len(gpus) < wanted:
        raise ConfigError(
            f"devices is {wanted}, but this run sees {len(gpus)} GPUs; set devices to at most "
            "that, as in `drpo resume RUN devices=1`."
        )
    return gpus


class _Followers:
    """The processes of all ranks but the first."""

    def __init__(
        self,
        orders: list[Orders],
        gpus: list[str],
        lost: Callable[[RankDiedError], None] | None,
    ) -> None:
        self._lost = lost
        self._ending = threading.Event()
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        for one in orders:
            # Each sees its own GPU alone, as the first: nothing it does lands on another's.
            seen = {"CUDA_VISIBLE_DEVICES": gpus[one.rank]} if gpus else {}
            child = processes.start_module(
                "drpo.runs.followers",
                log=Path(one.folder) / "worker.log",
                stdin=subprocess.PIPE,
                environment=seen,
            )
            self._children[one.rank] = child
            assert child.stdin is not None, "asked for above"
            child.stdin.write(json.dumps(asdict(one)).encode() + b"\n")
            child.stdin.flush()

    def __enter__(self) -> _Followers:
        for rank in self._children if self._lost is not None else ():
            name = f"drpo-rank-{rank}"
            threading.Thread(target=self._watch, args=(rank,), name=name, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """See every rank end: by itself, else at once."""
        self._ending.set()
        until = time.monotonic() + LAST_WORDS
        for child in self._children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, until - time.monotonic()))
            child.kill()
            child.wait()
            if child.stdin is not None:
                child.stdin.close()

    def see_all(self, *, within: float = 0.0, cause: BaseException | None = None) -> None:
        """See that none has died.

        Args:
            within: Seconds in which one may still be found to have.
            cause: What it would explain.

        Raises:
            RankDiedError: One has.
        """
        until = time.monotonic() + within
        while True:
            dead = {rank: child.poll() for rank, child in self._children.items()}
            found = {rank: status for rank, status in dead.items() if status}
            if found:
                # Those that only lost another end after it, and with a status above 0.
                rank = min(found, key=lambda one: found[one])
                raise _death(rank, found[rank]) from cause
            if time.monotonic() >= until:
                return
            time.sleep(0.05)

    def _watch(self, rank: int) -> None:
        status = self._children[rank].wait()
        if status and not self._ending.wait(GRACE) and self._lost is not None:
            self._lost(_death(rank, status))


def _death(rank: int, status: int) -> RankDiedError:
    """Say which rank died, and how, as `Popen.returncode` gives it."""
    facts: dict[str, Any] = {"how": "rank_status", "rank": rank, "status": status}
    ended = f"ended with status {status}"
    if status < 0:
        name = signal_name(-status)
        facts = {"how": "rank_signal", "rank": rank, "signal": name}
        ended = f"was ended by the signal {name}"
    return RankDiedError(
        f"The process of its device {rank} {ended}, so the others stopped; worker.log may tell "
        "why, and the system ends processes when memory is full.",
        facts,
    )


class _Silent(RunObserver):
    """Listens to a rank that has nothing to say: the first one says it."""


def main() -> None:
    """Be one of the ranks that a worker started, as it orders."""
    orders = Orders(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_worker, daemon=True).start()
    config = RunConfig.from_nested(orders.config)
    torch.set_num_threads(orders.threads)
    memory_fit.settle_allocator(config)
    if orders.room is not None:
        limit_this_process(memory=orders.room)
    disable_progress_bar()
    try:
        here = joined(orders.rank, orders.size, Path(orders.meeting), on_gpu=on_gpu(config))
        with here as ranks, ranks.together():
            data = ranks.first(_loaded_by_the_first)
            folder, weight = Path(orders.folder), orders.critic_weight
            pipeline.run_stages(config, data, folder, _Silent(), critic_weight=weight)
    except Exception:
        # The first rank has heard it too, and says how the run ended.
        log.info("rank %d: %s", orders.rank, traceback.format_exc())


def _loaded_by_the_first() -> RunData:
    raise AssertionError("the first rank alone reads a run's data")


def _end_with_worker() -> None:
    """Wait for the end of the input, which is that of the worker."""
    # Past Python's own buffer, whose lock would still be held when this process ends by itself.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    main()
