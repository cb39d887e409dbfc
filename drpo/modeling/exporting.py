"""A trained policy as others will use it: in the start model's number format, with its settings.

Whoever loads the folder and calls `apply_chat_template` and `generate` meets the model that the run
reported on: the same template, and every token that ended an answer in the run ends one there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from jaxtyping import Float
from peft import PeftConfig
from torch import Tensor
from transformers import AutoConfig, GenerationConfig

from drpo.config.run_config import RunConfig
from drpo.files import CHECKSUMS
from drpo.home import brought
from drpo.modeling.model_loading import UNREADABLE, load_causal
from drpo.modeling.models import load_vocabulary
from drpo.modeling.seeding import generator_for


def export_policy(source: Path, out: Path, config: RunConfig) -> None:
    """Write a policy that a run kept; an adapter is merged into its base.

    Args:
        source: The policy's folder.
        out: An empty folder.
        config: The run's settings, which name its start model.

    Raises:
        ModelError: The policy cannot be read.
    """
    start = config.models.policy
    # Rounded once, after an adapter was merged.
    model, dtype = load_causal(source), number_format(start)
    if dtype == torch.bfloat16:
        generator = generator_for(config.run.seed, 0, "export")
        for weight in model.parameters():
            weight.data = rounded_at_random(weight.data, generator)
    model = model.to(dtype)
    # A template that was given as a file is saved with the policy.
    reader = load_vocabulary(source, model, config.data.prompt_format)
    settings = generation_settings(start) or model.generation_config or GenerationConfig()
    named = settings.eos_token_id
    ends = list(named) if isinstance(named, list) else [] if named is None else [named]
    missing = [token for token in reader.stops if token not in ends]
    if missing:
        settings.eos_token_id = [*ends, *missing]
    model.generation_config = settings
    model.save_pretrained(out)
    kept = {path.name for path in out.iterdir()}
    for path in source.iterdir():
        weights = path.name.startswith("adapter_") or path.suffix == ".safetensors"
        if path.is_file() and not weights and path.name not in (*kept, CHECKSUMS):
            shutil.copy2(path, out / path.name)


def rounded_at_random(
    weights: Float[Tensor, "*shape"], generator: torch.Generator
) -> Float[Tensor, "*shape"]:
    """Round to a bfloat16 number beside each, the nearer the likelier: right on average.

    What training changes of a weight is mostly less than half a step of bfloat16. Rounding to the
    nearest would take all of it back; so the sum over many weights keeps it. What bfloat16 can hold
    stays as it is, as do numbers that are none.

    Args:
        weights: float32.
        generator: Draws which way each is rounded.

    Returns:
        float32, without what bfloat16 has no room for.

    Source: Gupta et al. 2015, arXiv:1502.02551, section 3 (stochastic rounding).
    """
    noise = torch.randint(0, 1 << 16, weights.shape, generator=generator, dtype=torch.int32)
    # The upper half of a float32 is the bfloat16 towards zero; the lower half, how far beyond.
    bits = (weights.contiguous().view(torch.int32) + noise) & -(1 << 16)
    return torch.where(weights.isfinite(), bits.view(torch.float32), weights)


def number_format(name: str | Path) -> torch.dtype:
    """Return the number format that a model's weights were saved in; float32 where unsaid."""
    try:
        if (Path(name) / "adapter_config.json").is_file():
            base = PeftConfig.from_pretrained(str(name)).base_model_name_or_path
            return number_format(brought(base)) if base else torch.float32
        told = AutoConfig.from_pretrained(name, trust_remote_code=False).dtype
    except UNREADABLE:  # the start model is gone; the policy is not
        return torch.float32
    return told if isinstance(told, torch.dtype) else torch.float32


def generation_settings(name: str | Path) -> GenerationConfig | None:
    """Return a model's generation settings; None where it has none that can be read."""
    try:
        if (Path(name) / "adapter_config.json").is_file():
            base = PeftConfig.from_pretrained(str(name)).base_model_name_or_path
            return generation_settings(brought(base)) if base else None
        return GenerationConfig.from_pretrained(name)
    except (*UNREADABLE, TypeError):
        return None
