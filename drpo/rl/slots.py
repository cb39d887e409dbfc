"""Decode on a GPU: a cache of one size, one CUDA graph, and no question to the device per token.

A model of 24 layers is some 2,000 kernels a token, more than a processor can start while the card
runs them: the card then waits seven parts in eight of the time. A graph starts them all at once.
For that every tensor keeps its place: the cache has its full length from the start, and choosing a
token, noting it and opening the next column of the mask happen on the device. What an ended row
still writes is cut off afterwards.

On a processor the same steps run without a graph, which is how they are tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel, StaticCache
from transformers.cache_utils import Cache, StaticLayer

from drpo.modeling.forward_pass import accepts, call_causal, positions_of, without_adapters
from drpo.rl.sampling import Contexts, Sampling, choose

ASKED_EVERY = 16
"""Tokens after which the device is asked whether every row has ended: each time it must wait."""
WARM_UP = 2
"""Steps without a graph, so that libraries have allocated what they need before it is drawn."""


def decodes_in_place(model: nn.Module, device: torch.device) -> bool:
    """Return whether a model's decoding can be drawn as a CUDA graph.

    Positions must be given, not counted by the model, every layer must see every token, and
    the rotation must not be chosen by the length seen.
    """
    inner = without_adapters(model)
    if device.type != "cuda" or not isinstance(inner, PreTrainedModel):
        return False
    return fits_one_cache(inner)


def fits_one_cache(inner: PreTrainedModel) -> bool:
    """Return whether a model can decode with a cache of one size; see `decodes_in_place`."""
    config = inner.config.get_text_config(decoder=True)
    rotation = getattr(config, "rope_parameters", None) or {}
    if not inner._can_compile_fullgraph or not accepts(inner, "position_ids"):
        return False
    # Other kinds of attention would add our mask of true and false to their scores.
    if config._attn_implementation != "sdpa" or rotation.get("rope_type", "default") in (
        "dynamic",
        "longrope",
    ):
        return False
    return all(type(layer) is StaticLayer for layer in StaticCache(config, 1).layers)


class _Layer(StaticLayer):  # type: ignore[misc]
    """A layer's keys and values, both in the format that the pass computes values in."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        # A rotation in float32 leaves keys in it, which attention would round all the same.
        return super().update(key_states.to(value_states.dtype), value_states, *args, **kwargs)


def _cache(inner: nn.Module, length: int) -> Cache:
    layers = StaticCache(inner.config.get_text_config(decoder=True), 1).layers  # type: ignore[operator,union-attr]
    return Cache(layers=[_Layer(max_cache_len=length) for _ in layers])


class InPlaceDecoder:
    """Decodes one batch of contexts; every tensor has its final size from the start."""

    def __init__(
        self,
        model: nn.Module,
        contexts: Sequence[Sequence[int]],
        sampling: Sampling,
        device: torch.device,
    ) -> None:
        self.model, self.sampling, self.device = model, sampling, device
        self.contexts = Contexts.of(contexts, sampling.pad, device)
        self.written: list[list[int]] = []

    def run(self, rooms: Sequence[int], noise: Float[Tensor, "batch time"]) -> None:
        """Decode until every row has ended or has no room left; fills `written`."""
        steps = max(rooms)
        logits = self._read(steps)
        self.noise = noise[:, :steps].contiguous()
        self.rooms = torch.tensor(rooms, device=self.device)
        self.stops = torch.tensor(self.sampling.stops, device=self.device)
        self.at = torch.zeros(1, dtype=torch.long, device=self.device)
        self.ended = torch.zeros(len(rooms), dtype=torch.bool, device=self.device)
        self.chosen = torch.full((len(rooms), steps), self.sampling.pad, device=self.device)
        self._choose(logits)
        self._decode(steps - 1)
        self.written = self._cut(rooms)

    def _read(self, steps: int) -> Float[Tensor, "batch vocab"]:
        """Read the contexts, each distinct one once, and lay the cache out by rows."""
        tokens, real, of_row = self.contexts.tokens, self.contexts.real, self.contexts.of_row
        width = tokens.shape[1]
        self.cache = _cache(without_adapters(self.model), width + steps)
        positions = positions_of(real)
        logits = call_causal(
            self.model,
            tokens,
            real.long(),
            positions,
            keep=1,
            past_key_values=self.cache,
            use_cache=True,
        )[:, -1]
        if self.contexts.shared:
            for layer in self.cache.layers:
                layer.keys, layer.values = layer.keys[of_row], layer.values[of_row]
        shape = (len(of_row), 1, 1, width + steps)
        self.seen = torch.zeros(shape, dtype=torch.bool, device=self.device)
        self.seen[:, 0, 0, :width] = real[of_row]
        self.column = torch.tensor([width], device=self.device)
        self.positions = positions[of_row, -1:]
        self.tokens = torch.empty(len(of_row), 1, dtype=torch.long, device=self.device)
        return logits[of_row]

    def _choose(self, logits: Float[Tensor, "batch vocab"]) -> None:
        """Draw a token a row and get ready to read it."""
        drawn = choose(logits, self.noise.index_select(1, self.at)[:, 0], self.sampling.temperature)
        self.chosen.index_copy_(1, self.at, drawn[:, None])
        self.tokens.copy_(drawn[:, None])
        self.at.add_(1)
        self.ended.logical_or_(torch.isin(drawn, self.stops)).logical_or_(self.at >= self.rooms)
        self.positions.add_(1)
        self.seen.index_fill_(3, self.column, value=True)
        self.column.add_(1)

    def _step(self) -> None:
        """Read the tokens drawn last, and draw the next; no tensor moves."""
        logits = call_causal(
            self.model,
            self.tokens,
            self.seen,
            self.positions,
            keep=1,
            past_key_values=self.cache,
            use_cache=True,
        )
        self._choose(logits[:, -1])

    def _decode(self, steps: int) -> None:
        graph: torch.cuda.CUDAGraph | None = None
        for step in range(steps):
            if step % ASKED_EVERY == 0 and bool(self.ended.all()):
                return
            if graph is None and self.device.type == "cuda" and step == WARM_UP:
                graph = self._draw()
            if graph is None:
                self._step()
            else:
                graph.replay()

    def _draw(self) -> torch.cuda.CUDAGraph:
        """Draw a step as a graph, without taking it."""
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(self.device)
        with torch.cuda.device(self.device), torch.cuda.graph(graph):
            self._step()
        return graph

    def _cut(self, rooms: Sequence[int]) -> list[list[int]]:
        """Return each row's tokens up to its end or its room."""
        stops, found = set(self.sampling.stops), []
        for row, room in zip(self.chosen.tolist(), rooms, strict=True):
            ends = [at for at, token in enumerate(row[:room]) if token in stops]
            found.append(row[: ends[0] + 1 if ends else room])
        return found
