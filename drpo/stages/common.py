"""What the stages share: the model they start from, their result, saving in one piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from drpo.config.run_config import RunConfig
from drpo.errors import ModelError
from drpo.files import whole_folder, write_checksums
from drpo.modeling.adapter_files import BESIDE
from drpo.modeling.adapters import with_adapters
from drpo.modeling.base_loading import load_base, weights_format
from drpo.modeling.chat_template import ChatTemplate, chat_template
from drpo.modeling.dropout import settle
from drpo.modeling.forward_pass import Precision, precision_of
from drpo.modeling.model_loading import context_length, end_tokens, load_causal, load_tokenizer
from drpo.modeling.tokenization import Vocabulary
from drpo.parallel.group import here
from drpo.stages.examples import Room


@dataclass(frozen=True)
class StageResult:
    """What a stage leaves behind."""

    folder: Path
    """A Hugging Face folder, complete."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Figures on held-out pairs, without them the last of training; `pairs`, `pairs_too_long`, and
    `answers_cut` where some were."""
    stopped: bool = False
    """Whether a person stopped it early; the folder then holds what was learned so far."""


@dataclass(frozen=True)
class Learner:
    """A language model that a stage trains: through adapters where the run has them."""

    network: nn.Module
    tokenizer: PreTrainedTokenizerBase
    vocabulary: Vocabulary
    """The one way from text to tokens."""
    precision: Precision
    room: Room

    @classmethod
    def load(cls, config: RunConfig, folder: str | Path, *, stage: str) -> Learner:
        """Load a start model in the run's number format.

        Raises:
            ModelError: It or its tokenizer cannot be used.
            ConfigError: The run's device is not there.
        """
        tokenizer = load_padding_tokenizer(folder)
        precision = precision_of(config.models.device, config.models.dtype)
        base = load_base(folder, config, precision)
        network: nn.Module = base
        if config.models.lora_rank:
            network = with_adapters(base, config, purpose=f"{stage} adapter", start=folder)
        room = Room.of(config, context_length(base))
        chat = template_of(config, tokenizer, folder)
        vocabulary = Vocabulary.of(tokenizer, end_tokens(base), chat=chat)
        return cls(ready(network, config, precision), tokenizer, vocabulary, precision, room)


def template_of(
    config: RunConfig, tokenizer: PreTrainedTokenizerBase, folder: str | Path
) -> ChatTemplate | None:
    """What renders conversations in a run, for a model that it trains."""
    data = config.data
    return chat_template(tokenizer, data.prompt_format, data.chat_template, name=str(folder))


def ready(network: nn.Module, config: RunConfig, precision: Precision) -> nn.Module:
    """Put a network where it is trained, dropout out, recomputing activations where asked."""
    checkpointing = config.models.gradient_checkpointing
    settle(network, checkpointing=checkpointing)
    # Recomputing acts in train mode alone, where `settle` has set dropout to 0.
    return network.to(precision.device).train(mode=checkpointing)


def whole_start(config: RunConfig, folder: str | Path) -> Callable[[], PreTrainedModel]:
    """Return what loads a start model in whole numbers again, where a run quantises it."""
    precision = precision_of(config.models.device, config.models.dtype)
    return lambda: load_causal(folder, dtype=weights_format(config, precision))


def load_padding_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer and see that it can pad and end an answer.

    A missing pad token is taken to be the unknown token, and EOS only where there is no other:
    Hugging Face's classifiers look for the last token that is not padding, so with EOS as padding
    they would never read it.

    Raises:
        ModelError: There is no tokenizer, or it has no EOS token.
    """
    tokenizer = load_tokenizer(folder)
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"{folder}: expected a tokenizer with an EOS token, got none; without one an answer "
            "can never end. Set eos_token in its tokenizer_config.json."
        )
    if tokenizer.pad_token_id is None:
        unknown = tokenizer.unk_token
        usable = unknown is not None and tokenizer.unk_token_id != tokenizer.eos_token_id
        tokenizer.pad_token = unknown if usable else tokenizer.eos_token
    return tokenizer


def save(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    start: Callable[[], PreTrainedModel],
) -> None:
    """Save a whole Hugging Face folder or nothing; of several ranks one does.

    Low-rank adapters are merged into the weights; they stand beside them as well, for whoever has
    the start model in memory already.

    Args:
        model: What was trained.
        tokenizer: Its tokenizer.
        out: The folder; replaced if it exists.
        start: Loads the start model in whole numbers: adapters on quantised weights are merged
            into those, because rounding would take most of them back.
    """
    here().first(lambda: _save(model, tokenizer, out, start))


def _save(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    start: Callable[[], PreTrainedModel],
) -> None:
    with whole_folder(out, durable=True) as beside:
        whole = model
        if isinstance(model, PeftModel):
            model.save_pretrained(beside / BESIDE, save_embedding_layers=False)
            # PEFT's template of a model card: it says nothing about this run.
            (beside / BESIDE / "README.md").unlink(missing_ok=True)
            adapted = model
            if getattr(model.get_base_model(), "is_quantized", False):
                adapted = PeftModel.from_pretrained(start(), str(beside / BESIDE))
            whole = adapted.merge_and_unload()
        assert isinstance(whole, PreTrainedModel), "a network here has a Hugging Face class"
        whole.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        write_checksums(beside)
