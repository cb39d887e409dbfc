"""Prompts are counted before a launch as the run will read them, without transformers."""

import pytest
from chat_models import STYLES, chat_folder
from conftest import tiny_model
from test_chat_template import CONVERSATIONS
from transformers import AutoTokenizer

from drpo.data.pairs import Prompt
from drpo.modeling.chat_template import chat_template
from drpo.modeling.light_tokenizer import prompt_tokens
from drpo.modeling.model_files import read_card
from drpo.modeling.tokenization import Vocabulary

PROMPTS = [Prompt("as text 日本 🙂"), *(Prompt("", turns) for turns in CONVERSATIONS.values())]


@pytest.mark.parametrize("style", STYLES)
def test_counts_are_those_of_training(style, tmp_path):
    folder = chat_folder(style, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    reader = Vocabulary.of(tokenizer, chat=chat_template(tokenizer, "auto"))
    expected = [len(ids) for ids in reader.prompts(PROMPTS)]
    assert prompt_tokens(read_card(folder), PROMPTS, "auto") == expected


def test_a_template_given_as_a_file_counts(tmp_path):
    folder = chat_folder("smollm2", tmp_path / "model")
    template = tmp_path / "short.jinja"
    template.write_text("{{ messages[0].content }}{% if add_generation_prompt %}>{% endif %}")
    card = read_card(folder)
    (short,) = prompt_tokens(card, PROMPTS[:1], "chat", str(template))
    assert short < prompt_tokens(card, PROMPTS[:1], "chat")[0]


def test_what_a_template_refuses_counts_as_its_text(tmp_path):
    folder = chat_folder("gemma", tmp_path / "model")
    twice = Prompt("one two", [{"role": "user", "content": "one"}] * 2)
    card = read_card(folder)
    assert prompt_tokens(card, [twice], "auto") == prompt_tokens(card, [twice], "text")


def test_text_is_counted_as_text(tmp_path, byte_tokenizer):
    tiny_model("llama").save_pretrained(tmp_path)
    byte_tokenizer.save_pretrained(tmp_path)
    assert prompt_tokens(read_card(tmp_path), [Prompt("four")], "auto") == [4]
