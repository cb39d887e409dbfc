"""How answers are drawn: from which contexts, one token of one, what an engine has to offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn."""

    length: int
    """Most tokens of an answer, reset prefix included."""
    temperature: float
    """0 always takes the likeliest token."""
    stops: tuple[int, ...]
    pad: int
    batch_size: int
    """Rows decoded at once."""


@dataclass(frozen=True)
class Asked:
    """Answers that are to be written, one a row."""

    contexts: Sequence[Sequence[int]]
    """Tokens before the first choice."""
    rooms: Sequence[int]
    """Most tokens of each answer."""
    noise: Float[Tensor, "batch time"]
    """One uniform draw in [0, 1) for each row and token, on the device that decodes."""

    def part(self, rows: slice) -> Asked:
        """Return some of them."""
        return Asked(self.contexts[rows], self.rooms[rows], self.noise[rows])


class Engine(Protocol):
    """What writes answers: all that an engine has to offer."""

    def __call__(
        self, model: nn.Module, asked: Asked, sampling: Sampling, tick: Callable[[int], None]
    ) -> list[list[int]]:
        """Return the tokens of each row, its end token included where it wrote one.

        Args:
            model: The causal language model that acts.
            asked: The rows.
            sampling: Temperature, end tokens, rows at once.
            tick: Called with the number of rows that are done, now and then.
        """
        ...


@dataclass(frozen=True)
class Contexts:
    """What the rows of a batch begin with, each distinct context once and padded to one length."""

    tokens: Int[Tensor, "distinct width"]
    real: Bool[Tensor, "distinct width"]
    of_row: Int[Tensor, " batch"]
    """Which of the distinct contexts each row has."""

    @classmethod
    def of(
        cls,
        contexts: Sequence[Sequence[int]],
        pad: int,
        device: torch.device,
        *,
        pad_behind: bool = False,
    ) -> Contexts:
        """Lay contexts out, one list of tokens a row, with padding before them or behind."""
        places = {context: n for n, context in enumerate(dict.fromkeys(map(tuple, contexts)))}
        width = max(map(len, places))
        tokens, real = [], []
        for one in places:
            padding = width - len(one)
            before, behind = (0, padding) if pad_behind else (padding, 0)
            tokens.append([pad] * before + list(one) + [pad] * behind)
            real.append([False] * before + [True] * len(one) + [False] * behind)
        return cls(
            torch.tensor(tokens, device=device),
            torch.tensor(real, device=device),
            torch.tensor([places[tuple(one)] for one in contexts], device=device),
        )

    @property
    def shared(self) -> bool:
        """Whether some rows have the same."""
        return len(self.tokens) < len(self.of_row)


def choose(
    logits: Float[Tensor, "batch vocab"], uniform: Float[Tensor, " batch"], temperature: float
) -> Int[Tensor, " batch"]:
    """Draw one token a row by inverting the cumulative distribution at `uniform`.

    One number decides one token, so equal noise makes the answers of two policies comparable.
    """
    if temperature == 0:
        return logits.argmax(-1)
    # float64: in float32 the running sum over a large vocabulary loses the rarest tokens.
    cumulative = (logits.double() / temperature).softmax(-1).cumsum(-1)
    target = uniform.double()[:, None] * cumulative[:, -1:]
    # right=True finds the first token whose sum exceeds the target, so one with probability 0
    # is never drawn.
    token = torch.searchsorted(cumulative, target, right=True)[:, 0]
    return token.clamp(max=logits.shape[1] - 1)
