"""Dropout is kept out: acting and learning must see the same network."""

from __future__ import annotations

import re
from typing import Any

from torch import nn
from transformers import PretrainedConfig

from drpo.modeling.critic import Critic
from drpo.modeling.shared_base import SharedBackbone, recalling

_IS_DROPOUT = re.compile("dropout|pdrop|layerdrop")
"""Names under which architectures keep a share to drop."""


def settle(module: nn.Module, *, checkpointing: bool) -> None:
    """Keep dropout out: acting and learning must see the same network.

    In eval mode it does not act. Recomputing activations needs train mode; there it is set to 0,
    in modules, in plain numbers beside them (OPT's `dropout`) and in the config, which some layers
    read while they run (Falcon's `hidden_dropout`).
    """
    module.eval()
    target: Any = module.backbone if isinstance(module, Critic) else module
    if isinstance(target, SharedBackbone):
        module = target = target.get_base_model().eval()
    if checkpointing:
        for part in module.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
            config = getattr(part, "config", None)
            for owner in (part, config) if isinstance(config, PretrainedConfig) else (part,):
                for name, value in vars(owner).items():
                    if isinstance(value, float) and _IS_DROPOUT.search(name):
                        setattr(owner, name, 0.0)
        again = {"use_reentrant": False, "context_fn": recalling(module)}
        target.activation_checkpointing_enable(again)
