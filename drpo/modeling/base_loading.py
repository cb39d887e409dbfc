"""The model that a run trains or trains adapters on: its number format, and fewer bits where asked.

Bases in 8 or 4 bits, below adapters that stay in float32, are bitsandbytes', an optional extra.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import BitsAndBytesConfig, PreTrainedModel

from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError
from drpo.modeling.forward_pass import Precision
from drpo.modeling.model_loading import load_causal

Bits = Literal["none", "8bit", "4bit"]
LACKS_LIBRARY = (
    "quantize_base needs the package bitsandbytes, which is not installed; pip install "
    "'drpo[quantize]', or set quantize_base to 'none'."
)


def load_base(folder: str | Path, config: RunConfig, precision: Precision) -> PreTrainedModel:
    """Load the language model that a run trains, or trains adapters on: quantised where asked.

    Raises:
        ModelError: It cannot be read, or is an adapter and should be quantised.
        ConfigError: What quantises it is not installed.
    """
    dtype = weights_format(config, precision)
    options = loading_options(config.models.quantize_base, dtype, precision.device)
    return load_causal(folder, dtype=dtype, options=options)


def weights_format(config: RunConfig, precision: Precision) -> torch.dtype:
    """Weights that a run trains are float32; below adapters they stay in the run's format."""
    return precision.dtype if config.models.lora_rank else torch.float32


def loading_options(bits: Bits, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """Return what `from_pretrained` is told so that it quantises a model's linear layers.

    Embeddings and the head that writes tokens stay in `dtype`.

    Args:
        bits: How many; "none" returns nothing.
        dtype: What products are computed in.
        device: Where the model is loaded to, for good: quantised weights stay where they are made.

    Raises:
        ConfigError: The package that does it is not installed.
    """
    if bits == "none":
        return {}
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ConfigError(LACKS_LIBRARY)
    # NF4 with quantised constants: Dettmers et al. 2023, arXiv:2305.14314, section 3.
    four = {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": dtype,
    }
    settings = BitsAndBytesConfig(**(four if bits == "4bit" else {"load_in_8bit": True}))
    return {"quantization_config": settings, "device_map": {"": str(device)}}


def on_device(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    """Put a model where it computes; a quantised one was loaded there."""
    return model if getattr(model, "is_quantized", False) else model.to(device)
