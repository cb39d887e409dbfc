"""Conversations as a model was made to read them: by its tokenizer's own chat template.

A prompt is the conversation with the template's generation prompt behind it, an answer what the
template adds when the assistant's turn follows: whatever it puts before the content, the content,
and its end of the turn. Thinking blocks are kept or stripped as the template does. A prompt whose
text holds special tokens already is taken to be rendered, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from jinja2 import TemplateError

from drpo.data.conversation import conversation
from drpo.data.pairs import Prompt
from drpo.errors import ConfigError, DataError, ModelError, first_line

PromptFormat = Literal["auto", "chat", "text"]
_ASKED = "The question, drpo asks."
_SAID = "The answer, drpo says."


class ChatTemplate:
    """Renders conversations with the template of one tokenizer.

    Args:
        tokenizer: A Hugging Face tokenizer with a chat template.
    """

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401
        self.tokenizer = tokenizer

    @property
    def source(self) -> Any:  # noqa: ANN401 - a text, or texts by name
        """The template itself; two of one source render alike."""
        return self.tokenizer.chat_template

    def rendered(self, prompt: Prompt) -> bool:
        """Whether a prompt's text was written by a template already: it begins as one would."""
        return prompt.messages is None and prompt.text.lstrip().startswith(self._beginnings)

    def prompt(self, prompt: Prompt) -> str:
        """Render a prompt, generation prompt included.

        Raises:
            DataError: The template cannot write this conversation.
        """
        return self._render(prompt, conversation(prompt), opened=True)

    def whole(self, prompt: Prompt, answer: str) -> str:
        """Render a prompt with its answer.

        Raises:
            DataError: The template cannot write this conversation.
        """
        said = {"role": "assistant", "content": answer.strip()}
        return self._render(prompt, [*conversation(prompt), said], opened=False)

    @cached_property
    def begins(self) -> bool:
        """Whether the template itself writes the token that texts begin with."""
        bos = self.tokenizer.bos_token
        return bool(bos) and self._frame[0].startswith(bos)

    @cached_property
    def lead(self) -> str:
        """What the template writes between its generation prompt and an answer's content."""
        return self._frame[1]

    @cached_property
    def closing(self) -> str:
        """What the template writes behind an answer's content."""
        return self._frame[2]

    @cached_property
    def turn_end(self) -> int | None:
        """The special token with which a turn of the assistant ends; None where it has none."""
        ids = self.tokenizer(self.closing, add_special_tokens=False)["input_ids"]
        return next((token for token in ids if token in self._special), None)

    @cached_property
    def _frame(self) -> tuple[str, str, str]:
        """What stands before a question, between prompt and answer, and behind an answer."""
        asked = Prompt(_ASKED)
        opened, whole = self.prompt(asked), self.whole(asked, _SAID)
        before, _, closing = whole.rpartition(_SAID)
        lead = before[len(opened) :] if before.startswith(opened) else ""
        return opened.partition(_ASKED)[0], lead, closing

    @cached_property
    def _special(self) -> frozenset[int]:
        added = getattr(self.tokenizer, "added_tokens_decoder", {})
        return frozenset((*self.tokenizer.all_special_ids, *added))

    @cached_property
    def _beginnings(self) -> tuple[str, ...]:
        added = getattr(self.tokenizer, "added_tokens_decoder", {}).values()
        special = {token.content for token in added if token.special}
        opening = self._frame[0].removeprefix(self.tokenizer.bos_token or "").strip()
        return tuple({*self.tokenizer.all_special_tokens, *special, opening} - {""})

    def _render(self, prompt: Prompt, turns: list[dict[str, Any]], *, opened: bool) -> str:
        try:
            return self._applied(turns, prompt.tools, opened=opened)
        except TemplateError as error:
            merged = _told_by_the_user(turns)
            if merged == turns:
                raise _unwritable(prompt, error) from error
        try:
            return self._applied(merged, prompt.tools, opened=opened)
        except TemplateError as error:
            raise _unwritable(prompt, error) from error

    def _applied(
        self,
        turns: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None,
        *,
        opened: bool,
    ) -> str:
        written = self.tokenizer.apply_chat_template(
            list(turns),
            tools=list(tools) if tools else None,
            add_generation_prompt=opened,
            tokenize=False,
        )
        return str(written)


def _told_by_the_user(turns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put what the system told before the first user's text: some templates have no system turn."""
    told = [turn["content"] for turn in turns if turn["role"] == "system"]
    rest = [dict(turn) for turn in turns if turn["role"] != "system"]
    first = next((turn for turn in rest if turn["role"] == "user"), None)
    if first is None or not told:
        return list(turns)
    first["content"] = "\n\n".join([*told, first["content"]])
    return rest


def _unwritable(prompt: Prompt, error: TemplateError) -> DataError:
    return DataError(
        f"The chat template cannot write the conversation of row {prompt.row}: expected turns that "
        f"it takes, got {first_line(error)!r}. Correct the row, give another chat_template, or set "
        "prompt_format to 'text'."
    )


def chat_template(
    tokenizer: Any,  # noqa: ANN401
    prompt_format: PromptFormat,
    file: str | None = None,
    *,
    name: str = "the model",
) -> ChatTemplate | None:
    """Return how conversations are rendered for a model; None where prompts are read as text.

    Args:
        tokenizer: The model's. A template from a file becomes its own, so that it is saved with it.
        prompt_format: `auto` is chat where the tokenizer has a template.
        file: A Jinja template to use instead of the tokenizer's own.
        name: The model, for messages.

    Raises:
        ConfigError: The file cannot be read.
        ModelError: `chat` is asked for and there is no template, or it cannot be used.
    """
    if prompt_format == "text":
        return None
    if file is not None:
        try:
            tokenizer.chat_template = Path(file).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"chat_template is {file!r}, expected a file with a Jinja template, got "
                f"{first_line(error)}; give another file, or none to use the tokenizer's own."
            ) from error
    if not getattr(tokenizer, "chat_template", None):
        if prompt_format == "auto":
            return None
        raise ModelError(
            f"prompt_format is 'chat', but the tokenizer of {name} has no chat template; expected "
            "one in its chat_template.jinja. Give a file with chat_template, or set prompt_format "
            "to 'text'."
        )
    template = ChatTemplate(tokenizer)
    try:
        _ = template.closing
    except (TemplateError, DataError, ValueError, TypeError) as error:
        raise ModelError(
            f"The chat template of {name} cannot write a question and its answer "
            f"({first_line(error)}); give another with chat_template, or set prompt_format to "
            "'text'."
        ) from error
    return template
