"""Load what others saved: language models, adapters, classifiers, tokenizers.

Models are loaded one at a time in a process. While transformers builds a model it sets the number
format that every new tensor of the process gets, and puts the old one back. Two runs in threads of
one process (`executor: thread`) that load at once then get each other's format, and what is put
back last may be the wrong one for good. A run that is already training in the same process still
sees the other format while a model is being loaded beside it; runs of different formats belong
into processes of their own.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar, cast

import torch
from peft import PeftConfig, PeftModel
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from drpo.errors import ModelError, first_line
from drpo.home import brought
from drpo.modeling.linear import widen
from drpo.modeling.model_facts import context_of, see_that_it_writes
from drpo.modeling.model_files import base_of

P = ParamSpec("P")
R = TypeVar("R")

UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)
"""What transformers raises over a folder that is missing, incomplete or damaged."""

# cuDNN's attention, which PyTorch prefers on Hopper and Blackwell, returns NaN gradients where rows
# are masked and 64, 192, ... columns wide (pytorch#196678), and builds a plan of tens of
# milliseconds for each new shape: while answers are written, for every token. Flash and
# memory-efficient attention do neither. All that runs a model here comes through this module.
torch.backends.cuda.enable_cudnn_sdp(enabled=False)

# Re-entrant: loading an adapter loads the model that it belongs to.
_LOADING = threading.RLock()


def one_at_a_time(load: Callable[P, R]) -> Callable[P, R]:
    """Let a function wait while another thread is loading a model."""

    @functools.wraps(load)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        with _LOADING:
            return load(*args, **kwargs)

    return alone


@one_at_a_time
def load_causal(
    folder: str | Path,
    *,
    dtype: torch.dtype = torch.float32,
    options: Mapping[str, Any] | None = None,
) -> PreTrainedModel:
    """Load a causal language model; an adapter is merged into its base.

    Args:
        folder: Its folder or name.
        dtype: Number format of its weights.
        options: Of `quantized.loading_options`; whole weights alone can be quantised.

    Raises:
        ModelError: There are no weights, some are missing, or they cannot be read.
    """
    folder, expected = brought(folder), "a causal language model"
    if not (Path(folder) / "adapter_config.json").is_file():
        try:
            described = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        except UNREADABLE as error:
            raise _unreadable(folder, expected, error) from error
        see_that_it_writes(described.to_dict(), folder, what="model")
        again = "save the model again."
        return _loaded(AutoModelForCausalLM, folder, dtype, expected, again, options or {})
    if options:
        raise ModelError(
            f"{folder} is an adapter, which is merged into its base, and quantised weights cannot "
            "be; expected whole weights. Merge it first, or set quantize_base to 'none'."
        )
    try:
        merged: PreTrainedModel = load_adapted(folder, dtype=dtype).merge_and_unload()
    except UNREADABLE as error:
        raise _unreadable(folder, expected, error) from error
    return merged.requires_grad_(requires_grad=True)  # PEFT has frozen the base


@one_at_a_time
def load_adapted(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> PeftModel:
    """Load a trained adapter on the base that it names, not merged."""
    folder = brought(folder)
    name = PeftConfig.from_pretrained(folder).base_model_name_or_path
    if not name:
        raise ModelError(
            f"{folder}: expected base_model_name_or_path in adapter_config.json, got none; name "
            "the model that the adapter belongs to, or merge it into that model first."
        )
    base = load_causal(name, dtype=dtype)
    return PeftModel.from_pretrained(base, folder, is_trainable=True)


@one_at_a_time
def load_classifier(folder: str | Path, dtype: torch.dtype) -> PreTrainedModel:
    """Load a sequence classifier.

    Raises:
        ModelError: There are no weights, some are missing, or they cannot be read.
    """
    kind = AutoModelForSequenceClassification
    hint = "is this a language model without a score head?"
    return _loaded(kind, brought(folder), dtype, "a sequence classifier", hint)


def _loaded(
    kind: type[AutoModelForCausalLM | AutoModelForSequenceClassification],
    folder: str | Path,
    dtype: torch.dtype,
    expected: str,
    hint: str,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> PreTrainedModel:
    try:
        model, report = kind.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            trust_remote_code=False,
            **options,
        )
    except UNREADABLE as error:
        raise _unreadable(folder, expected, error) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"{folder}: expected the whole of {expected}, but {len(missing)} of its weights are "
            f"missing ({missing[0]} first); {hint}"
        )
    widen(model)
    return cast(PreTrainedModel, model)


def _unreadable(folder: str | Path, expected: str, error: BaseException) -> ModelError:
    return ModelError(
        f"{folder}: expected {expected} with config.json and safetensors weights, got none that "
        f"can be read ({first_line(error)}); give another folder, or save the model again."
    )


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer; an adapter that was saved without one has that of its model.

    Raises:
        ModelError: There is none that can be read.
    """
    folder = brought(folder)
    if Path(folder).is_dir() and not (Path(folder) / "tokenizer_config.json").is_file():
        below = base_of(Path(folder))
        if below is not None:
            return load_tokenizer(below)
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder}: expected a tokenizer beside the model, got none that can be read; save it "
            "there with tokenizer.save_pretrained."
        ) from error


def end_tokens(model: PreTrainedModel) -> list[int]:
    """Return every token that ends a text, as the model's generation settings name them.

    A classifier has no such settings; its config says what its language model's did.
    """
    return ends_of(getattr(model, "generation_config", None) or model.config.get_text_config())


def ends_of(settings: GenerationConfig | PretrainedConfig | None) -> list[int]:
    """Return the end tokens that a model's settings name: one, several or none."""
    ends = getattr(settings, "eos_token_id", None)
    return list(ends) if isinstance(ends, list | tuple) else [ends] if isinstance(ends, int) else []


def context_length(model: PreTrainedModel) -> int | None:
    """Most tokens the model has positions for; None when its config does not say."""
    length = context_of(model.config.get_text_config().to_dict())
    return None if length is None else length - _unused_positions(model)


def hidden_width(model: PreTrainedModel) -> int:
    """Width of what a causal model's backbone gives: what its head reads.

    Configs name several widths; that of OPT's embeddings may be another than that of its layers.
    """
    head = model.get_output_embeddings()
    if head is None:
        raise ModelError(
            f"{type(model).__name__} has no head that writes tokens; expected a causal language "
            "model. Take another start policy."
        )
    return int(head.weight.shape[1])


def _unused_positions(model: PreTrainedModel) -> int:
    """Positions that the config counts and no token ever has.

    RoBERTa and its kin number tokens from the padding id on; their configs do not say so, their
    table of positions does: it has a padding row.
    """
    for name, part in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            return 0 if part.padding_idx is None else part.padding_idx + 1
    return 0
