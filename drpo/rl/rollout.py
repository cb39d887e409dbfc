"""Finish starts into answers.

Layout of a `Rollout`. Contexts (prompt and reset prefix) are padded on the left, chosen tokens on
the right, so every row's first choice stands in the same column:

    [pad pad prompt prefix | chosen chosen end pad]
                           ^ context

`acted` then never sees a prompt or prefix token: what the policy did not choose is not in its
tensors at all. Positions are counted over real tokens and always passed, so padding on either side
changes nothing. `drpo.rl.micro_batches` lays episodes out anew for scoring and learning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from drpo.modeling.forward_pass import Precision
from drpo.parallel.ranks import ALONE, Ranks
from drpo.rl.plain_decoding import write_in_batches
from drpo.rl.sampling import Asked, Engine, Sampling
from drpo.rl.slots import decodes_in_slots, write_in_slots


@dataclass(frozen=True)
class Rollout:
    """Episodes as one rectangle of tokens; see the module's drawing."""

    tokens: Int[Tensor, "batch length"]
    real: Bool[Tensor, "batch length"]
    """True on tokens, False on padding of either side."""
    context: int
    """Column of every row's first chosen token."""
    finished: Bool[Tensor, " batch"]
    """Whether the answer ended by itself, an end token in the last free slot included."""

    @property
    def acted(self) -> Bool[Tensor, "batch time"]:
        """True exactly on the tokens the policy chose."""
        return self.real[:, self.context :]

    @property
    def actions(self) -> Int[Tensor, "batch time"]:
        """The chosen tokens, padded on the right."""
        return self.tokens[:, self.context :]

    def to(self, device: torch.device) -> Rollout:
        """Move every tensor."""
        return replace(
            self,
            tokens=self.tokens.to(device),
            real=self.real.to(device),
            finished=self.finished.to(device),
        )


def finish(
    model: nn.Module,
    contexts: Sequence[Sequence[int]],
    given: Sequence[int],
    sampling: Sampling,
    noise: Float[Tensor, "batch time"],
    *,
    precision: Precision,
    tick: Callable[[int], None] = lambda _: None,
    ranks: Ranks = ALONE,
) -> Rollout:
    """Let the policy finish each context, until its end token or the length limit.

    The reset prefix is part of the context, so it costs one prefill and no decoding; rows of one
    context, as those of a group, share it. Where a row has ended the next one begins, those with
    the most room left first.

    Args:
        model: The causal language model that acts.
        contexts: Tokens before the first choice, one list an episode.
        given: How many of them belong to the answer already; they count against the length.
        sampling: Length, temperature, end tokens.
        noise: One uniform draw in [0, 1) for each row and token. A row's answer depends on its own
            draws only, not on which rows it is batched with.
        precision: Device and number format to run in.
        tick: Called with the number of finished rows, now and then.
        ranks: Who shares the rows; those of one context stay together.

    Returns:
        The episodes, in the order they came.
    """
    rooms = [sampling.length - g for g in given]
    written: list[list[int]] = [[] for _ in contexts]
    engine: Engine = write_in_slots if decodes_in_slots(model) else write_in_batches

    def write(groups: Sequence[list[int]]) -> list[list[list[int]]]:
        own = [row for group in groups for row in group]
        order = sorted(own, key=lambda i: (-rooms[i], -len(contexts[i]), i))
        if order:
            asked = Asked(
                [contexts[i] for i in order],
                [rooms[i] for i in order],
                noise[order].to(precision.device),
            )
            with torch.no_grad(), precision.autocast():
                found = engine(
                    model, asked, sampling, lambda done: tick(done * len(contexts) // len(order))
                )
            for row, answer in zip(order, found, strict=True):
                written[row] = answer
        return [[written[row] for row in group] for group in groups]

    alike = groupby(range(len(contexts)), key=contexts.__getitem__)
    answers = ranks.each([list(rows) for _, rows in alike], write)
    whole = [answer for group in answers for answer in group]
    return pack(contexts, whole, sampling).to(precision.device)


def pack(
    contexts: Sequence[Sequence[int]], written: Sequence[Sequence[int]], sampling: Sampling
) -> Rollout:
    """Lay contexts and chosen tokens out as a rectangle."""
    left, right = max(len(c) for c in contexts), max(len(w) for w in written)
    tokens = torch.full((len(contexts), left + right), sampling.pad)
    real = torch.zeros(tokens.shape, dtype=torch.bool)
    for row, (context, answer) in enumerate(zip(contexts, written, strict=True)):
        line = slice(left - len(context), left + len(answer))
        tokens[row, line] = torch.tensor([*context, *answer])
        real[row, line] = True
    finished = torch.tensor([bool(w) and w[-1] in sampling.stops for w in written])
    return Rollout(tokens, real, left, finished)
