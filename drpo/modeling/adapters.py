"""Low-rank adapters: what is trained of a model whose own weights stay as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from drpo.config.run_config import RunConfig
from drpo.modeling.adapter_files import full_name
from drpo.modeling.model_loading import one_at_a_time
from drpo.modeling.seeding import generator_for
from drpo.modeling.shared_base import act_in_half_precision


@one_at_a_time
def with_adapters(
    model: PreTrainedModel,
    config: RunConfig,
    *,
    purpose: str,
    heads: Sequence[str] = (),
    start: str | Path | None = None,
) -> PeftModel:
    """Put low-rank adapters on every linear layer, the base frozen.

    Args:
        model: The base.
        config: Rank, scale, and the run's seed, from which the new weights are drawn.
        purpose: Names the draw.
        heads: Modules that are trained whole and saved with the adapters.
        start: What the base was loaded from, which may itself be an adapter: the adapters are saved
            with this name of what they belong to.
    """
    settings = LoraConfig(
        r=config.models.lora_rank,
        lora_alpha=config.models.lora_alpha,
        target_modules="all-linear",
        lora_dropout=0.0,
        fan_in_fan_out=any(isinstance(m, Conv1D) for m in model.modules()),
        task_type=_task(model, heads),
        modules_to_save=list(heads) or None,
    )
    with torch.random.fork_rng(devices=[]):  # PEFT draws from global state ...
        adapted: PeftModel = get_peft_model(model, settings)
    act_in_half_precision(adapted)
    if start is not None:
        adapted.peft_config["default"].base_model_name_or_path = full_name(start)
    draw(adapted, config, purpose)  # ... so its draw is put back and replaced by ours.
    return adapted


def draw(adapted: nn.Module, config: RunConfig, purpose: str) -> None:
    """Draw the new weights of a network's adapters from the run's seed.

    Args:
        adapted: Each of its `lora_A` is drawn anew.
        config: The run.
        purpose: Names the draw.
    """
    generator = generator_for(config.run.seed, 0, purpose)
    for name, weight in adapted.named_parameters():
        if "lora_A" in name:
            fresh = torch.empty(weight.shape)
            nn.init.kaiming_uniform_(fresh, a=math.sqrt(5), generator=generator)
            weight.data.copy_(fresh)


def _task(model: PreTrainedModel, heads: Sequence[str]) -> str | None:
    if heads:
        return "SEQ_CLS"
    return "CAUSAL_LM" if model.get_output_embeddings() is not None else None
