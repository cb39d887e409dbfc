"""What the device can do at most, measured; and what an update needs of it, counted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.gpu.material import Shape

BF16_BYTES = 2


@dataclass(frozen=True)
class Ceilings:
    """Two rates that nothing here can exceed."""

    copied: float
    """Bytes a second that a copy within the device's memory reads and writes, added up."""
    multiplied: float
    """Operations a second of a large bfloat16 matrix product."""


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(device: torch.device, act: Callable[[], object]) -> float:
    """How long something takes, with all that it leaves the device to do."""
    synchronize(device)
    began = time.perf_counter()
    act()
    synchronize(device)
    return time.perf_counter() - began


def measure_ceilings(device: torch.device, *, quick: bool) -> Ceilings:
    """Copy a large tensor, multiply large matrices of random numbers; medians of ten."""
    count, side = (2**20, 128) if quick else (2**31, 8192)
    source = torch.randint(0, 100, (count,), dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    copying = _median(device, lambda: target.copy_(source))
    del source, target
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    multiplying = _median(device, lambda: left @ right)
    return Ceilings(copied=2 * count / copying, multiplied=2 * side**3 / multiplying)


def _median(device: torch.device, act: Callable[[], object]) -> float:
    for _ in range(3):
        act()
    return statistics.median(seconds(device, act) for _ in range(10))


@dataclass(frozen=True)
class Work:
    """Multiplications and additions of one forward pass over some episodes, padding left out."""

    linear: float
    """Of the layers' matrices."""
    attention: float
    """Of scores and mixtures, each token with those before it only."""
    head: float
    """Of the vocabulary's matrix, for chosen tokens only; a critic has none."""

    @property
    def forward(self) -> float:
        """All of it."""
        return self.linear + self.attention + self.head

    @property
    def learning_adapters(self) -> float:
        """Forwards and backwards where the large matrices are frozen and need no gradient."""
        return 2 * (self.linear + self.head) + 3 * self.attention

    @property
    def learning_all(self) -> float:
        """Forwards and backwards where every weight has a gradient: how MFU is usually counted."""
        return 3 * self.forward


def work_of(
    shape: Shape, lengths: Sequence[int], acted: int, *, head: bool = True, adapters: float = 0.0
) -> Work:
    """Count one forward pass.

    Args:
        shape: The network.
        lengths: Tokens of each episode, prompt and answer.
        acted: Tokens that the policy chose, in all.
        head: Whether there are logits.
        adapters: Weights of the low-rank adapters.
    """
    weights = shape.layers * layer_weights(shape) + adapters
    return Work(
        linear=2.0 * weights * sum(lengths),
        attention=2.0 * shape.hidden * shape.layers * sum(length**2 for length in lengths),
        head=2.0 * shape.vocabulary * shape.hidden * acted if head else 0.0,
    )


def layer_weights(shape: Shape) -> int:
    """Numbers in the matrices of one layer."""
    attention = shape.hidden * (2 * shape.hidden + shape.kv_width)
    projections = 2 if shape.kind == "gpt_neox" else 3
    return attention + projections * shape.hidden * shape.ffn


def decoding_bytes(
    model: nn.Module, shape: Shape, contexts: Sequence[int], written: Sequence[int], width: int
) -> float:
    """Bytes that decoding must read: all weights once a step, and the keys and values so far.

    Args:
        model: The policy as it decodes, adapters included.
        shape: Its shape.
        contexts: Tokens before the first choice, by episode, in the order of decoding.
        written: Tokens chosen, likewise.
        width: Episodes decoded at once.
    """
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    if not shape.tied:  # of these only the rows of the tokens at hand are read
        weights -= shape.vocabulary * shape.hidden * BF16_BYTES
    total = 0.0
    for begin in range(0, len(contexts), width):
        rows = range(begin, min(begin + width, len(contexts)))
        # The first token comes out of the prefill.
        total += weights * (max(written[row] for row in rows) - 1)
    kept = shape.layers * shape.kv_width * BF16_BYTES
    for context, count in zip(contexts, written, strict=True):
        total += kept * sum(context + step for step in range(1, count))
    return total
