"""How answers are drawn: from which contexts, one token of one, what an engine has to offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


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
class Contexts:
    """What the rows of a batch begin with: each distinct context once, padded on the left."""

    tokens: Int[Tensor, "distinct width"]
    real: Bool[Tensor, "distinct width"]
    of_row: Int[Tensor, " batch"]
    """Which of the distinct contexts each row has."""

    @classmethod
    def of(cls, contexts: Sequence[Sequence[int]], pad: int, device: torch.device) -> Contexts:
        """Lay contexts out, one list of tokens a row."""
        places = {context: n for n, context in enumerate(dict.fromkeys(map(tuple, contexts)))}
        width = max(map(len, places))
        tokens = [[pad] * (width - len(one)) + list(one) for one in places]
        real = [[False] * (width - len(one)) + [True] * len(one) for one in places]
        return cls(
            torch.tensor(tokens, device=device),
            torch.tensor(real, device=device),
            torch.tensor([places[tuple(one)] for one in contexts], device=device),
        )

    @property
    def shared(self) -> bool:
        """Whether some rows have the same."""
        return len(self.tokens) < len(self.of_row)


class Decoder(Protocol):
    """What writes a batch of answers: all that an engine has to offer.

    It is made of a model, the contexts, how to draw, and the device, in this order.
    """

    written: list[list[int]]
    """The chosen tokens of each row, once `run` is done."""

    def run(self, rooms: Sequence[int], noise: Float[Tensor, "batch time"]) -> None:
        """Write until every row has ended or has no room left.

        Args:
            rooms: Most tokens of each row.
            noise: One uniform draw in [0, 1) for each row and token.
        """
        ...


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
