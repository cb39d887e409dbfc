"""One copy of a base's weights, and several networks on it: each is the base below its adapters.

Policy, start policy, critic and reward model mostly come from the same weights, and with adapters
none of them changes these. So the base stands in memory once. Which adapters act is a state of its
layers: the policy's do, until somebody calls another network (`SharedBackbone`), whose adapters act
for as long as its pass takes. Activations that are computed anew for a gradient are computed below
the adapters they were first computed below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from drpo.modeling.model_loading import one_at_a_time

POLICY = "default"
"""The policy's adapter, as PEFT calls one that nobody named: adapter folders are saved under it."""
CRITIC = "critic"
REWARD = "reward"


class SharedBase:
    """A base with named adapters.

    Args:
        network: The base with its first adapter.
        acting: The adapters that act while no other network on this base is called.
    """

    def __init__(self, network: PeftModel, *acting: str) -> None:
        self.network = network
        act_in_half_precision(network)
        self.rest(*acting)

    @classmethod
    def below(cls, base: PreTrainedModel, name: str, settings: LoraConfig) -> SharedBase:
        """Put a first adapter on a base, which goes on acting as it is."""
        with torch.random.fork_rng(devices=[]):  # PEFT draws from global state
            return cls(get_peft_model(base, settings, adapter_name=name))

    @property
    def base(self) -> PreTrainedModel:
        """The model below the adapters."""
        return self.network.get_base_model()

    @one_at_a_time
    def add(self, name: str, settings: LoraConfig) -> None:
        """Put a further adapter on the base; it does not act yet."""
        with torch.random.fork_rng(devices=[]):
            self.network.add_adapter(name, settings)
        act_in_half_precision(self.network)
        self.rest(*self._acting)

    def rest(self, *names: str) -> None:
        """Say which adapters act while no other network on this base is called."""
        self._layers = [part for part in self.network.modules() if isinstance(part, BaseTunerLayer)]
        self._act(names)

    @contextmanager
    def only(self, *names: str) -> Iterator[None]:
        """Let these adapters act and no others; none of them leaves the base as it is."""
        before = self._acting
        self._act(names)
        try:
            yield
        finally:
            self._act(before)

    def has(self, name: str) -> bool:
        """Whether an adapter of this name is on the base."""
        return name in self.network.peft_config

    def weights_of(self, name: str) -> dict[str, nn.Parameter]:
        """Return an adapter's weights as the network names them."""
        own = {
            id(weight)
            for layer in self._layers
            for part in layer.adapter_layer_names
            if name in getattr(layer, part)
            for weight in getattr(layer, part)[name].parameters()
        }
        return {key: one for key, one in self.network.named_parameters() if id(one) in own}

    def base_weights(self) -> dict[str, nn.Parameter]:
        """Return the base's weights, named as if it had no adapters."""
        adapted = {id(one) for name in self.network.peft_config for one in self._of(name)}
        return {
            key.replace(".base_layer.", "."): weight
            for key, weight in self.base.named_parameters()
            if id(weight) not in adapted
        }

    def _of(self, name: str) -> list[nn.Parameter]:
        return list(self.weights_of(name).values())

    def _act(self, names: tuple[str, ...]) -> None:
        _act(self._layers, names)
        self._acting = names


def act_in_half_precision(network: PeftModel) -> None:
    """Let adapters do what they should where their base is in half precision, as often as asked.

    What an adapter adds is at first far smaller than what half precision tells apart beside the
    output that it is added to, and would be rounded away layer by layer. Once embeddings are
    float32 the sum over the layers is; each layer still multiplies in half precision.

    PEFT turns what an adapter reads into float32, and autocast, in which all passes run, turns it
    back: two kernels a layer, and in learning a copy of every layer's input. So it is told not to.
    """
    for layer in network.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.cast_input_dtype_enabled = False
    base = network.get_base_model()
    embeddings = base.get_input_embeddings()
    half = embeddings.weight.dtype in (torch.bfloat16, torch.float16)
    if half and _widen not in embeddings._forward_hooks.values():
        embeddings.register_forward_hook(_widen)
        for part in base.modules():
            if isinstance(part, nn.LayerNorm):
                # On a processor it refuses float32 sums beside weights in half precision.
                part.float()


def _widen(_embeddings: nn.Module, _read: object, found: Tensor) -> Tensor:
    return found.float()


def recalling(network: nn.Module) -> Callable[[], tuple[AbstractContextManager[None], ...]]:
    """Make what lets activations that are computed anew meet the adapters of the first time.

    Args:
        network: The adapters' base, or a model without any.

    Returns:
        `context_fn` of `torch.utils.checkpoint.checkpoint`.
    """
    layers = [part for part in network.modules() if isinstance(part, BaseTunerLayer)]

    @contextmanager
    def as_then(names: list[str]) -> Iterator[None]:
        now = layers[0].active_adapters
        _act(layers, names)
        try:
            yield
        finally:
            _act(layers, now)

    def around() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        first = nullcontext()
        return first, as_then(layers[0].active_adapters) if layers else first

    return around


def _act(layers: Sequence[BaseTunerLayer], names: Sequence[str]) -> None:
    # PEFT's `set_adapter` and `disable_adapter` also change which weights are trained.
    for layer in layers:
        layer._active_adapter = list(names)


class SharedBackbone(nn.Module):
    """A shared body below some adapters: called as the body is, with the weights of one of them.

    Its parameters are those of its own adapter alone, under the names that they would have in a
    body of its own, so that checkpoints do not depend on what is shared.

    Args:
        shared: The base.
        below: The adapters that act in a pass; the last one is its own.
    """

    def __init__(self, shared: SharedBase, *below: str) -> None:
        super().__init__()
        # In a tuple: a module would be registered, and its weights taken for this network's.
        self._shared = (shared, shared.base.base_model)
        self._below = below
        for path, layer in self.get_base_model().named_modules():
            if isinstance(layer, BaseTunerLayer):
                for part in layer.adapter_layer_names:
                    held = getattr(layer, part)
                    if isinstance(held, nn.ModuleDict) and below[-1] in held:
                        _hang(self, f"base_model.model.{path}.{part}.{POLICY}", held[below[-1]])

    def get_base_model(self) -> PreTrainedModel:
        """Return the shared body."""
        body: PreTrainedModel = self._shared[1]
        return body

    def forward(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - the body's
        """Run the body below this network's adapters."""
        shared, body = self._shared
        with shared.only(*self._below):
            return body(*given, **named)


def _hang(root: nn.Module, path: str, module: nn.Module) -> None:
    """Register a module under a dotted name, with empty modules in between."""
    *above, last = path.split(".")
    for name in above:
        if name not in root._modules:
            root.add_module(name, nn.Module())
        root = root.get_submodule(name)
    root.add_module(last, module)
