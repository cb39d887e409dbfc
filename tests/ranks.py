"""Ranks for tests: forked processes, which have loaded everything already."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import traceback
import uuid
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch

from drpo.parallel.group import joined, portable
from drpo.parallel.ranks import ALONE, Ranks

needs_fork = pytest.mark.skipif(
    torch.cuda.is_available(), reason="a process that has used a GPU cannot be forked"
)


def on_ranks(size: int, work: Callable[[Ranks], Any], folder: Path) -> list[Any]:
    """Let each of several ranks do some work, and return what each came to, errors included."""
    if size == 1:
        return [work(ALONE)]
    meeting = folder / f"meeting-{uuid.uuid4().hex}"
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in range(size)]
    children = [
        context.Process(target=_be, args=(rank, size, work, meeting, pipes[rank][1]))
        for rank in range(size)
    ]
    with warnings.catch_warnings():
        # Tests of other things have left threads behind; none holds what a rank needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        for child in children:
            child.start()
    for _, sender in pipes:
        sender.close()
    try:
        return [pickle.loads(receiver.recv_bytes()) for receiver, _ in pipes]
    finally:
        for child in children:
            child.join(30)
            child.kill()


def _be(
    rank: int, size: int, work: Callable[[Ranks], Any], meeting: Path, sender: Connection
) -> None:
    try:
        with joined(rank, size, meeting) as ranks, ranks.together():
            found = work(ranks)
    except Exception as error:
        traceback.print_exc()
        found = portable(error, rank)
    # By value: as they usually travel, tensors would stay in the memory of a process that ends.
    sender.send_bytes(pickle.dumps(found))
    sender.close()
    os._exit(0)
