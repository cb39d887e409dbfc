"""Write answers in batches, each to its end, with a cache that grows: for models that fit no slots.

Any causal model of transformers decodes so, whatever its layers see and however it counts
positions. A row that ends leaves its batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import DynamicCache

from drpo.modeling.forward_pass import call_causal, positions_of
from drpo.rl.sampling import Asked, Contexts, Sampling, choose


def write_in_batches(
    model: nn.Module, asked: Asked, sampling: Sampling, tick: Callable[[int], None]
) -> list[list[int]]:
    """Write answers, `sampling.batch_size` at once; see `drpo.rl.sampling.Engine`."""
    written: list[list[int]] = []
    for begin in range(0, len(asked.rooms), sampling.batch_size):
        part = asked.part(slice(begin, begin + sampling.batch_size))
        written += _Batch(model, part, sampling).write()
        tick(len(written))
    return written


class _Batch:
    """Decodes some rows together."""

    def __init__(self, model: nn.Module, asked: Asked, sampling: Sampling) -> None:
        self.model, self.asked, self.sampling = model, asked, sampling
        self.device = asked.noise.device
        self.contexts = Contexts.of(asked.contexts, sampling.pad, self.device)
        self.mask = self.contexts.real.long()
        self.cache = DynamicCache()

    def write(self) -> list[list[int]]:
        """Decode until every row has ended or has no room left."""
        rooms, noise = self.asked.rooms, self.asked.noise
        written: list[list[int]] = [[] for _ in rooms]
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
                written[row].append(token)
            stays = [
                place
                for place, row in enumerate(alive)
                if not ended[place] and len(written[row]) < rooms[row]
            ]
            if not stays:
                break
            if len(stays) < len(alive):
                chosen, positions = chosen[stays], positions[stays]
                self._keep(torch.tensor(stays, device=self.device))
                alive = [alive[place] for place in stays]
            positions = positions + 1
            grown = torch.ones_like(self.mask[:, :1])
            self.mask = torch.cat([self.mask, grown], dim=1)
            logits = self._step(chosen[:, None], positions)
        return written

    def _step(
        self, tokens: Int[Tensor, "batch length"], positions: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch vocab"]:
        extra: dict[str, Any] = {"past_key_values": self.cache, "use_cache": True}
        return call_causal(self.model, tokens, self.mask, positions, keep=1, **extra)[:, -1]

    def _keep(self, index: Int[Tensor, " places"]) -> None:
        self.cache.batch_select_indices(index)
        self.mask = self.mask[index]
