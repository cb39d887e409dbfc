"""How a model reads rows, from its small files: shown and counted before it is loaded."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig

from drpo.modeling.chat_template import PromptFormat, chat_template
from drpo.modeling.exporting import generation_settings
from drpo.modeling.model_loading import UNREADABLE, ends_of, load_tokenizer
from drpo.modeling.tokenization import Vocabulary


def load_reader(
    folder: str | Path, prompt_format: PromptFormat = "auto", template: str | None = None
) -> Vocabulary:
    """Read what a model's folder says of its tokens, without its weights.

    Args:
        folder: A causal language model.
        prompt_format: Whether conversations are rendered by a chat template.
        template: A file with that template, instead of the tokenizer's own.

    Raises:
        ModelError: There is no tokenizer, end token or template that can be used.
        ConfigError: The template's file cannot be read.
    """
    tokenizer = load_tokenizer(folder)
    settings = generation_settings(folder)
    if settings is None:
        try:
            settings = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        except UNREADABLE:
            settings = None  # the tokenizer's own end is known all the same
    chat = chat_template(tokenizer, prompt_format, template, name=str(folder))
    return Vocabulary.of(tokenizer, ends_of(settings), chat=chat)
