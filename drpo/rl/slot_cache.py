"""Keys and values of answers that are written in slots.

A slot holds one answer with its context, its first token in column 0: a token's column is its
position. So a row sees exactly the columns up to its own position, whatever stood in the slot
before, slots need not agree on anything, and none is wider than the longest context and answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import PreTrainedModel, StaticCache
from transformers.cache_utils import Cache, StaticLayer

from drpo.modeling.forward_pass import accepts


@dataclass
class _Place:
    """Where the layers put what they are handed next."""

    columns: Int[Tensor, " slots"]
    """Of the next token of each slot; changed by who decodes."""
    slots: Int[Tensor, " slots"]
    used: int
    """Slots that take part, the first ones."""
    reach: int
    """Columns that anybody sees, the first ones."""
    read: tuple[Tensor, Tensor] | None = None
    """While contexts are read: the slots they are for, and which context each of these has."""


class _Layer(StaticLayer):  # type: ignore[misc]
    """A layer's keys and values, both in the format that the pass computes values in."""

    def __init__(self, width: int, place: _Place) -> None:
        super().__init__(max_cache_len=width)
        self._place = place

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> Any:  # noqa: ANN401
        """Keep keys and values; return those that attention looks at."""
        # A rotation in float32 leaves keys in it, which attention would round all the same.
        key_states, place = key_states.to(value_states.dtype), self._place
        if not self.is_initialized:
            count = len(place.slots)
            self.lazy_initialization(
                key_states[:1].expand(count, -1, -1, -1), value_states[:1].expand(count, -1, -1, -1)
            )
        if place.read is not None:
            slots, of_slot = place.read
            length = key_states.shape[2]
            self.keys[slots, :, :length] = key_states[of_slot]
            self.values[slots, :, :length] = value_states[of_slot]
            return key_states, value_states
        slots, columns = place.slots[: place.used], place.columns[: place.used]
        self.keys[slots, :, columns] = key_states[:, :, 0]
        self.values[slots, :, columns] = value_states[:, :, 0]
        seen = slice(place.used), slice(None), slice(place.reach)
        return self.keys[seen], self.values[seen]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how many columns a context sees that is read: its own; and that none are cut."""
        return query_length, 0


class SlotCache(Cache):  # type: ignore[misc]
    """The cache of some slots."""

    def __init__(self, inner: PreTrainedModel, columns: Int[Tensor, " slots"], width: int) -> None:
        """Lay it out.

        Args:
            inner: The model, without adapters.
            columns: Position of the token that each slot reads next; the caller moves it on.
            width: Tokens of the longest context and answer.
        """
        count, device = len(columns), columns.device
        self._place = place = _Place(columns, torch.arange(count, device=device), count, width)
        self._columns = torch.arange(width, device=device)
        config = inner.config.get_text_config(decoder=True)
        super().__init__(layers=[_Layer(width, place) for _ in StaticCache(config, 1).layers])

    @contextlib.contextmanager
    def reading(self, slots: Int[Tensor, " new"], of_slot: Int[Tensor, " new"]) -> Iterator[None]:
        """Take whole contexts, for some slots.

        Args:
            slots: Which.
            of_slot: Row of each one's context among those that are read.
        """
        self._place.read = slots, of_slot
        try:
            yield
        finally:
            self._place.read = None

    def look_at(self, used: int, reach: int | None) -> None:
        """Say how many slots take part in the next steps, and how many columns they may see.

        Args:
            used: The first so many.
            reach: Likewise; None is all.
        """
        self._place.used = used
        self._place.reach = len(self._columns) if reach is None else reach

    def seen(self) -> Bool[Tensor, "used 1 1 reach"]:
        """What the next token of each slot sees: the columns up to its own."""
        place = self._place
        columns = self._columns[: place.reach]
        return (columns <= place.columns[: place.used, None])[:, None, None]

    def move(self, sources: Int[Tensor, " moved"], targets: Int[Tensor, " moved"]) -> None:
        """Let what stands in some slots stand in others."""
        for layer in self.layers:
            layer.keys[targets] = layer.keys[sources]
            layer.values[targets] = layer.values[sources]


def fits_slots(inner: PreTrainedModel) -> bool:
    """Return whether a model can decode in slots.

    Positions must be given, not counted by the model, every layer must see every token, and
    the rotation must not be chosen by the length seen.
    """
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
