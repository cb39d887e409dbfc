"""Linear layers that multiply with the processor's widest vectors, whoever made it.

PyTorch hands float32 products to MKL, which uses AVX-512 on Intel's processors only; on others it
takes half as long as oneDNN, which is built into PyTorch too and asks the processor what it can.
An update spends two thirds of its time in these products. The numbers are the same within float32
rounding; the rule which library multiplies depends on the machine and on the shape alone, so a
resumed run repeats a straight one.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Not in PyTorch's documentation, but what its own compiler emits for a linear layer.
_MULTIPLY = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
WIDER = (
    _MULTIPLY is not None
    and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    and torch.backends.cpu.get_cpu_capability() == "AVX512"
)
"""Whether oneDNN may know wider vectors than MKL uses."""
WORTHWHILE = 2**20
"""Multiplications from which oneDNN's dearer call is made up for; measured, they are 20 us."""


def widen(model: nn.Module) -> None:
    """Let the linear layers of a model multiply so, in place; adapters' own are left alone.

    Weights, names and state stay as they are. In half precision and on a GPU nothing changes.
    """
    if WIDER:
        for layer in model.modules():
            if type(layer) is nn.Linear:
                layer.__class__ = WideLinear


class WideLinear(nn.Linear):
    """`nn.Linear` by oneDNN, where that pays."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `input @ weight.T + bias`."""
        large = input.numel() * self.out_features >= WORTHWHILE
        plain = input.dtype == self.weight.dtype == torch.float32 and input.device.type == "cpu"
        if not (large and plain) or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        if not torch.is_grad_enabled():
            return _product(input, self.weight, self.bias)
        product = _Product.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return cast(Tensor, product)


class _Product(torch.autograd.Function):
    """`left @ right.T + bias`, and its gradients by the same library."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(left, right)
        return _product(left, right, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # noqa: ANN401
        left, right = ctx.saved_tensors
        of_left, of_right, of_bias = ctx.needs_input_grad
        rows, read = grad.flatten(0, -2), left.flatten(0, -2)
        of_weight = None
        if of_right:
            # oneDNN copies a first factor that is turned: let it be the smaller one.
            turned = read.shape[1] < rows.shape[1]
            first, second = (read, rows) if turned else (rows, read)
            of_weight = _product(first.t(), second.t())
            of_weight = of_weight.t() if turned else of_weight
        return (
            _product(grad, right.t()) if of_left else None,
            of_weight,
            rows.sum(0) if of_bias else None,
        )


def _product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    assert _MULTIPLY is not None, "asked only where there is one"
    return cast(Tensor, _MULTIPLY(left, right, bias, "none", [], ""))
