"""Low-rank adapters: what is trained of a model whose own weights stay as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from drpo.config.run_config import RunConfig
from drpo.modeling.model_loading import one_at_a_time
from drpo.modeling.seeding import generator_for

BESIDE = "adapter"
"""Folder beside a stage's whole weights that holds the adapter they were merged with."""


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
    if start is not None:
        adapted.peft_config["default"].base_model_name_or_path = full_name(start)
    generator = generator_for(config.run.seed, 0, purpose)
    for name, weight in adapted.named_parameters():
        if "lora_A" in name:  # ... so its draw is put back and replaced by ours.
            fresh = torch.empty(weight.shape)
            nn.init.kaiming_uniform_(fresh, a=math.sqrt(5), generator=generator)
            weight.data.copy_(fresh)
    return adapted


def full_name(start: str | Path) -> str:
    """Name a model as its adapters do: by its whole path where it is a folder."""
    return str(Path(start).resolve() if Path(start).is_dir() else start)


def adapter_of(folder: str | Path, start: str | Path) -> Path | None:
    """Find the adapter in which a trained model differs from a start model, where one was kept.

    Args:
        folder: The trained model: an adapter, or whole weights with their adapter beside them.
        start: The model that it may have been trained from.
    """
    for place in (Path(folder), Path(folder) / BESIDE):
        if (place / "adapter_config.json").is_file():
            named = PeftConfig.from_pretrained(str(place)).base_model_name_or_path
            return place if named and full_name(named) == full_name(start) else None
    return None


def _task(model: PreTrainedModel, heads: Sequence[str]) -> str | None:
    if heads:
        return "SEQ_CLS"
    return "CAUSAL_LM" if model.get_output_embeddings() is not None else None
