"""What a model's config says that training must know before it starts; without torch.

Asked here only, by the checks before a launch and by whoever loads a model. What a network alone
knows for certain is asked of the network: `drpo.modeling.model_loading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drpo.errors import ModelError

CONTEXT_KEYS = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "max_seq_len",
    "max_sequence_length",
    "max_seq_length",
)
"""Names under which architectures keep how many positions they have; MPT's is `max_seq_len`."""
LAYER_KEYS = ("num_hidden_layers", "n_layer", "n_layers")
WIDTH_KEYS = ("hidden_size", "n_embd", "d_model")
_WRITES = ("CausalLM", "LMHead", "ForConditionalGeneration", "DoubleHeads", "ForQuestionGeneration")
"""In the names of architectures that write texts."""


def text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a config says of the part that reads text."""
    nested = config.get("text_config")
    return nested if isinstance(nested, Mapping) else config


def context_of(config: Mapping[str, Any]) -> int | None:
    """Return how many positions a model's config names; None where it names none."""
    told = (text_part(config).get(key) for key in CONTEXT_KEYS)
    return next((int(value) for value in told if isinstance(value, int) and value > 0), None)


def first_number(config: Mapping[str, Any], keys: Sequence[str]) -> int:
    """Return the first of some numbers that a config names; 1 where it names none."""
    part = text_part(config)
    return next((int(part[key]) for key in keys if isinstance(part.get(key), int)), 1)


def see_that_it_writes(config: Mapping[str, Any], folder: object, *, what: str) -> None:
    """Refuse a model that is no causal language model.

    Args:
        config: What its config.json holds.
        folder: Where it lies, for the sentence.
        what: What it is for, as the sentence calls it.

    Raises:
        ModelError: It is an encoder-decoder, a classifier, or has no head that writes.
    """
    names = [str(name) for name in config.get("architectures") or ()]
    said = ", ".join(names) or str(config.get("model_type", "it"))
    wanted = "expected a causal language model"
    if config.get("is_encoder_decoder"):
        raise ModelError(
            f"The {what} {folder} is an encoder-decoder ({said}): prompt and answer go through "
            f"different networks; {wanted}, which reads them as one text. Take another model."
        )
    if any("SequenceClassification" in name for name in names):
        raise ModelError(
            f"The {what} {folder} is a classifier ({said}); {wanted}. "
            "Perhaps it was meant as the reward model."
        )
    if names and not any(part in name for name in names for part in _WRITES):
        raise ModelError(
            f"The {what} {folder} is {said}, which has no head that writes one token after "
            f"another; {wanted}. Save the model with its head, or take another one."
        )
