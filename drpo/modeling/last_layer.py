"""The last layer is computed where something is read, and nowhere else.

Attention needs the last layer's keys and values of every token, but nobody reads what comes after
them at the tokens of a prompt: neither the projection of what was attended to, nor the wide layers
behind it. They are handed the places alone that a choice follows. The layer's own code runs, on
those places; its attention is given the whole text in their stead. The numbers are the same within
float32 rounding, and equal places of equal rectangles give equal numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

PARTS = {
    "GPTNeoXLayer": ("attention", "dense"),
    "LlamaDecoderLayer": ("self_attn", "o_proj"),
    "MistralDecoderLayer": ("self_attn", "o_proj"),
    "Qwen2DecoderLayer": ("self_attn", "o_proj"),
    "Qwen3DecoderLayer": ("self_attn", "o_proj"),
}
"""Layers whose attention reads `input_layernorm` of what they are given, and in which all that
follows the attention treats each token by itself: names of the attention and of its last part."""
WORTHWHILE = 2**20
"""Multiplications spared from which on it is done; choosing places is not free."""


@contextlib.contextmanager
def read_only_at(backbone: nn.Module, positions: int, at: Int[Tensor, " places"]) -> Iterator[bool]:
    """Let a model's last layer give only some places of the flattened rectangle, where that pays.

    Args:
        backbone: A model without its head.
        positions: How many the rectangle has.
        at: The places.

    Yields:
        Whether it does: then what the model gives has the shape (1, places, hidden).
    """
    layer = _last_layer(backbone)
    if layer is None or (positions - len(at)) * _spared(layer) < WORTHWHILE:
        yield False
        return
    name, last = PARTS[type(layer).__name__]
    attention = getattr(layer, name)
    forward: Callable[..., Any] = layer.forward

    def at_places(hidden: Float[Tensor, "batch time width"], *given: Any, **named: Any) -> Any:  # noqa: ANN401
        with standing_in(attention, _attend_to(hidden, layer, attention)):
            return forward(places_of(hidden, at)[None], *given, **named)

    def choose(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return places_of(given[0], at)[None], *given[1:]

    # First of all hooks: whoever counts what a layer reads counts what is left to it.
    handle = getattr(attention, last).register_forward_pre_hook(choose, prepend=True)
    try:
        with standing_in(layer, at_places):
            yield True
    finally:
        handle.remove()


def places_of(
    hidden: Float[Tensor, "batch time width"], at: Int[Tensor, " places"]
) -> Float[Tensor, "places width"]:
    """Return some places of the flattened rectangle."""
    return hidden.flatten(0, 1).index_select(0, at)


@contextlib.contextmanager
def standing_in(module: nn.Module, forward: Callable[..., object]) -> Iterator[None]:
    """Let a function stand in for a module's forward pass."""
    vars(module)["forward"] = forward
    try:
        yield
    finally:
        del vars(module)["forward"]


def _attend_to(
    hidden: Float[Tensor, "batch time width"], layer: nn.Module, attention: nn.Module
) -> Callable[..., Any]:
    """A layer's attention over all that the layer would have been given."""
    forward: Callable[..., Any] = attention.forward

    def attend(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        read = layer.input_layernorm(hidden)  # type: ignore[operator]
        if "hidden_states" in named:
            return forward(*given, **(named | {"hidden_states": read}))
        return forward(read, *given[1:], **named)

    return attend


def _last_layer(backbone: nn.Module) -> nn.Module | None:
    """The last layer of a model that is known to allow it."""
    layers = getattr(backbone, "layers", None)
    layer = layers[-1] if isinstance(layers, nn.ModuleList) and len(layers) else None
    if layer is None or type(layer).__name__ not in PARTS:
        return None
    # A layer that is recomputed for its gradient would then run as it was written.
    recomputes = layer.training and getattr(layer, "gradient_checkpointing", False)
    return None if recomputes else layer


def _spared(layer: nn.Module) -> int:
    """Multiplications that a place takes behind the attention."""
    name, last = PARTS[type(layer).__name__]
    behind = (getattr(layer, name).get_submodule(last), layer.get_submodule("mlp"))
    return sum(weight.numel() for part in behind for weight in part.parameters())
