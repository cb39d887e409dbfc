"""How transformers are called: with a cache to write, or all at once to score what was written."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPast

from drpo.errors import ConfigError
from drpo.modeling.linear import WideLinear


@dataclass(frozen=True)
class Precision:
    """Device and number format of a forward pass.

    Weights that are trained stay in float32, whatever the format: one step of 1e-6 is lost when it
    is added to a bfloat16 weight. The arithmetic of the pass runs in `dtype`.
    """

    device: torch.device
    dtype: torch.dtype = torch.float32

    def autocast(self) -> AbstractContextManager[Any]:
        """Run matrix products in `dtype`."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def loss_scales(self, tokens: int) -> list[float]:
        """Return what a mean loss is multiplied by for its backward pass, the first choice first.

        float16 has nothing below 6e-8, and a token's share of a mean over thousands is soon there;
        so the mean's division waits until the gradient is float32. Where that is too much for
        float16, which ends at 65,504, there are smaller factors. All are powers of two, which
        change no digit, and none depends on what came before, so that a resumed run repeats a
        straight one.

        Args:
            tokens: How many tokens the loss is a mean over.
        """
        if self.dtype != torch.float16:
            return [1.0]
        whole = 2.0 ** math.ceil(math.log2(max(tokens, 1)))
        return [whole / 16**step for step in range(4)]


def precision_of(device: str, dtype: str) -> Precision:
    """Return where a run computes, and in which format.

    Args:
        device: auto, cpu, cuda or cuda:N.
        dtype: auto, float32, bfloat16 or float16.

    Raises:
        ConfigError: The device is not there.
    """
    name = device
    if device == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device is {device!r}, but there is no usable GPU; set device to 'cpu'.")
    where = torch.device(name)
    if dtype == "auto":
        half = where.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return Precision(where, torch.bfloat16 if half else torch.float32)
    return Precision(where, getattr(torch, dtype))


def positions_of(real: Bool[Tensor, "batch length"]) -> Int[Tensor, "batch length"]:
    """Count positions over real tokens; padding on the left shifts nothing."""
    return (real.long().cumsum(dim=1) - 1).clamp(min=0)


def accepts(model: nn.Module, name: str) -> bool:
    """Return whether a model's forward pass takes an argument of this name."""
    return name in inspect.signature(without_adapters(model).forward).parameters


def call_causal(
    model: nn.Module,
    tokens: Int[Tensor, "batch length"],
    mask: Int[Tensor, "batch full"] | Bool[Tensor, "batch 1 length full"],
    positions: Int[Tensor, "batch length"],
    *,
    keep: int,
    **extra: Any,  # noqa: ANN401 - handed on to the model
) -> Float[Tensor, "batch kept vocab"]:
    """Return the logits of the last `keep` columns.

    The vocabulary is the widest thing in the pass; `logits_to_keep` spares the prompt's columns.

    Args:
        model: A causal language model, adapters or not.
        tokens: What it reads now.
        mask: 1 on every real token so far, these included; or, by row and column, what each of them
            sees.
        positions: Of these tokens.
        keep: How many columns.
        extra: Handed on to the model: its cache.
    """
    if accepts(model, "logits_to_keep"):
        extra["logits_to_keep"] = keep
    if accepts(model, "position_ids"):
        extra["position_ids"] = positions
    with float32_head(model):
        logits: Tensor = model(input_ids=tokens, attention_mask=mask, **extra).logits
    return logits[:, -keep:]


def call_at(
    model: nn.Module,
    tokens: Int[Tensor, "batch length"],
    at: Int[Tensor, " places"],
    cache: Cache | None = None,
) -> Float[Tensor, "places vocab"]:
    """Return a causal model's logits at some places of the flattened rectangle.

    The vocabulary is the widest thing in the pass, so the head is handed those places alone.

    Args:
        model: A causal language model, adapters or not.
        tokens: Rows from the first column on, padding behind them only: no real token sees any, so
            there is no mask and attention takes its fastest way.
        at: Row * length + column of each place.
        cache: Takes the keys and values of what is read; it holds none that these tokens see.
    """
    return head_of(model, hidden_at(model, tokens, at, cache))


def hidden_at(
    model: nn.Module,
    tokens: Int[Tensor, "batch length"],
    at: Int[Tensor, " places"],
    cache: Cache | None = None,
) -> Float[Tensor, "places hidden"]:
    """Return what a causal model's head reads at some places; see `call_at`."""
    return call_backbone_at(without_adapters(model).base_model, tokens, at, cache)  # type: ignore[arg-type]


def head_of(
    model: nn.Module, hidden: Float[Tensor, "places hidden"]
) -> Float[Tensor, "places vocab"]:
    """Return the logits that a causal model makes of hidden states, a part of them at a time.

    The model's own forward pass makes them, with its body held still, because some architectures
    cap or scale what their head returns.
    """
    inner = without_adapters(model)
    read = _Held(last_hidden_state=hidden[None])
    unread = torch.zeros(1, len(hidden), dtype=torch.long, device=hidden.device)
    with _standing_in(inner.base_model, lambda *_args, **_kwargs: read), float32_head(model):  # type: ignore[arg-type]
        logits: Tensor = inner(input_ids=unread, use_cache=False).logits
    return logits[0]


class _Held(BaseModelOutputWithPast):  # type: ignore[misc]
    """Hidden states as a body returns them, without whatever else this body may return."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


@contextlib.contextmanager
def _standing_in(module: nn.Module, forward: Callable[..., object]) -> Iterator[None]:
    """Let a function stand in for a module's forward pass."""
    vars(module)["forward"] = forward
    try:
        yield
    finally:
        del vars(module)["forward"]


@contextlib.contextmanager
def float32_head(model: nn.Module) -> Iterator[None]:
    """Let a causal model's head multiply in float32 while the rest of the pass is in half.

    A policy moves by less in one step than bfloat16 tells apart in a logit: with three digits, a
    log-ratio of .001 is lost in logits of size 10. The body's rounding remains: over one step of
    3e-6 the log-ratios of the `tldr` sample policy correlate by .36 with those of float32 all in
    bfloat16, by .42 with this head, and by .97 where the body runs in float16. What the model does
    to logits after its head stays its own.
    """
    head = without_adapters(model).get_output_embeddings()  # type: ignore[operator]
    if type(head) not in (nn.Linear, WideLinear) or not torch.is_autocast_enabled(
        head.weight.device.type
    ):
        yield
        return

    def multiply(hidden: Tensor) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            bias = None if head.bias is None else head.bias.float()
            return nn.functional.linear(hidden.float(), head.weight.float(), bias)

    with _standing_in(head, multiply):
        yield


def call_backbone_at(
    backbone: nn.Module,
    tokens: Int[Tensor, "batch length"],
    at: Int[Tensor, " places"],
    cache: Cache | None = None,
) -> Float[Tensor, "places hidden"]:
    """Return the last hidden states of a model without its head; see `call_at`."""
    kept: dict[str, Any] = {} if cache is None else {"past_key_values": cache}
    read = backbone(input_ids=tokens, use_cache=cache is not None, **kept)
    return _places(read.last_hidden_state, at)


def _places(
    hidden: Float[Tensor, "batch length hidden"], at: Int[Tensor, " places"]
) -> Float[Tensor, "places hidden"]:
    return hidden.flatten(0, 1).index_select(0, at)


def without_adapters(model: nn.Module) -> nn.Module:
    """Look through adapters at the model that they wrap."""
    get_base_model = getattr(model, "get_base_model", None)
    return get_base_model() if callable(get_base_model) else model
