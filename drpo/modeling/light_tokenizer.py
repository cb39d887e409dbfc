"""A tokenizer's template and counts without transformers, for checks before a run is started.

`ChatTemplate` renders conversations through whatever has a tokenizer's few attributes; this has
them from the folder's small files, so that a check counts what the run will read and loads no
torch. A test holds it to `apply_chat_template`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Template, TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from drpo.data.pairs import Prompt
from drpo.errors import DataError, ModelError
from drpo.files import read_json
from drpo.modeling.chat_template import PromptFormat, chat_template
from drpo.modeling.model_files import ModelCard, base_of, count_tokens

_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token")


class LightTokenizer:
    """What `ChatTemplate` asks of a tokenizer, read from a model folder's small files.

    Args:
        folder: The model's.
    """

    def __init__(self, folder: Path) -> None:
        self._settings = read_json(folder / "tokenizer_config.json")
        self._named = {
            name: text for name in _NAMED if (text := _text(self._settings.get(name))) is not None
        } | {
            name: text
            for name, value in read_json(folder / "special_tokens_map.json").items()
            if (text := _text(value)) is not None
        }
        self.bos_token = self._named.get("bos_token")
        self.all_special_tokens = list(self._named.values())
        self.added_tokens_decoder: Mapping[int, Any] = {}
        self.chat_template = _template_of(folder, self._settings)

    def apply_chat_template(
        self,
        turns: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None,
        add_generation_prompt: bool,
        tokenize: bool,
    ) -> str:
        """Render turns as text; `tokenize` is there because a tokenizer has it, and is False."""
        assert not tokenize, "counted elsewhere"
        return self._compiled.render(
            messages=list(turns),
            tools=tools,
            documents=None,
            add_generation_prompt=add_generation_prompt,
            **self._named,
        )

    @cached_property
    def _compiled(self) -> Template:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _as_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        return environment.from_string(str(self.chat_template))


def prompt_tokens(
    card: ModelCard,
    prompts: Sequence[Prompt],
    prompt_format: PromptFormat,
    template: str | None = None,
) -> list[int] | None:
    """Count the tokens of prompts as a run will read them; None where that cannot be told here.

    Args:
        card: The model.
        prompts: Texts or conversations.
        prompt_format: How the run reads them.
        template: A file with a template instead of the tokenizer's own.
    """
    try:
        chat = chat_template(LightTokenizer(card.folder), prompt_format, template)
        texts = [_rendered(prompt, chat) for prompt in prompts]
    except (DataError, ModelError, TemplateError):
        # What a template needs more than these files, or refuses, is told by whoever reads the
        # rows; until then a prompt counts as its text does.
        chat, texts = None, [prompt.text for prompt in prompts]
    return count_tokens(card, texts, special=chat is None)


def _rendered(prompt: Prompt, chat: Any) -> str:  # noqa: ANN401 - a ChatTemplate or None
    return prompt.text if chat is None or chat.rendered(prompt) else str(chat.prompt(prompt))


def _template_of(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """The folder's chat template, in whichever of its places; an adapter may have its model's."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text(encoding="utf-8")
    found = read_json(folder / "chat_template.json").get("chat_template")
    found = found or settings.get("chat_template")
    if isinstance(found, list):
        named = {one["name"]: one["template"] for one in found}
        found = named.get("default")
    if isinstance(found, str):
        return found
    base = base_of(folder)
    return None if base is None else LightTokenizer(base).chat_template


def _text(token: Any) -> str | None:  # noqa: ANN401 - any JSON
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def _as_json(value: Any, ensure_ascii: bool = False, **asked: Any) -> str:  # noqa: ANN401
    """As transformers writes JSON in templates: signs stay what they are."""
    return json.dumps(value, ensure_ascii=ensure_ascii, **asked)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
