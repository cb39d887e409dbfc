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
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import DynamicCache

from drpo.modeling.forward_pass import Precision, call_causal, positions_of
from drpo.parallel.ranks import ALONE, Ranks
from drpo.rl.slots import InPlaceDecoder, decodes_in_place
from drpo.rl.sampling import Contexts, Decoder, Sampling, choose


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
    context, as those of a group, share it. Rows with about the same room left are decoded together,
    and a row that ends leaves the batch.

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
    kind = InPlaceDecoder if decodes_in_place(model, precision.device) else _Decoder

    def write(groups: Sequence[list[int]]) -> list[list[list[int]]]:
        own = [row for group in groups for row in group]
        order = sorted(own, key=lambda i: (-rooms[i], -len(contexts[i]), i))
        for begin in range(0, len(order), sampling.batch_size):
            rows = order[begin : begin + sampling.batch_size]
            with torch.no_grad(), precision.autocast():
                batch = [contexts[i] for i in rows]
                decoder: Decoder = kind(model, batch, sampling, precision.device)
                decoder.run([rooms[i] for i in rows], noise[rows].to(precision.device))
            for row, answer in zip(rows, decoder.written, strict=True):
                written[row] = answer
            tick((begin + len(rows)) * len(contexts) // len(order))
        return [[written[row] for row in group] for group in groups]

    alike = groupby(range(len(contexts)), key=contexts.__getitem__)
    answers = ranks.each([list(rows) for _, rows in alike], write)
    whole = [answer for group in answers for answer in group]
    return pack(contexts, whole, sampling).to(precision.device)


class _Decoder:
    """Decodes one batch of contexts with a key-value cache."""

    def __init__(
        self,
        model: nn.Module,
        contexts: Sequence[Sequence[int]],
        sampling: Sampling,
        device: torch.device,
    ) -> None:
        self.model, self.sampling, self.device = model, sampling, device
        self.written: list[list[int]] = [[] for _ in contexts]
        self.contexts = Contexts.of(contexts, sampling.pad, device)
        self.mask = self.contexts.real.long()
        self.cache = DynamicCache()

    def run(self, rooms: Sequence[int], noise: Float[Tensor, "batch time"]) -> None:
        """Decode until every row has ended or has no room left."""
        alive = list(range(len(rooms)))
        positions = positions_of(self.contexts.real)
        stops = torch.tensor(self.sampling.stops, device=self.device)
        logits = self._step(self.contexts.tokens, positions)
        positions = positions[:, -1:]
        if self.contexts.shared:
            of_row = self.contexts.of_row
            logits, positions = logits[of_row], positions[of_row]
            self._keep(of_row)
        for t in range(max(rooms)):
            chosen = choose(logits, noise[alive, t], self.sampling.temperature)
            ended = torch.isin(chosen, stops).tolist()
            for row, token in zip(alive, chosen.tolist(), strict=True):
                self.written[row].append(token)
            stays = [
                place
                for place, row in enumerate(alive)
                if not ended[place] and len(self.written[row]) < rooms[row]
            ]
            if not stays:
                return
            if len(stays) < len(alive):
                chosen, positions = chosen[stays], positions[stays]
                self._keep(torch.tensor(stays, device=self.device))
                alive = [alive[place] for place in stays]
            positions = positions + 1
            grown = torch.ones_like(self.mask[:, :1])
            self.mask = torch.cat([self.mask, grown], dim=1)
            logits = self._step(chosen[:, None], positions)

    def _step(
        self, tokens: Int[Tensor, "batch length"], positions: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch vocab"]:
        extra: dict[str, Any] = {"past_key_values": self.cache, "use_cache": True}
        return call_causal(self.model, tokens, self.mask, positions, keep=1, **extra)[:, -1]

    def _keep(self, index: Int[Tensor, " places"]) -> None:
        self.cache.batch_select_indices(index)
        self.mask = self.mask[index]


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
