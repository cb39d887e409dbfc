"""An answer is never broken off inside a character, nor inside a mark of the template."""

import pytest
from chat_models import chat_tokenizer
from conftest import make_byte_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_families import fast

from drpo.data.pairs import Pair, Prompt
from drpo.modeling.chat_template import chat_template
from drpo.modeling.tokenization import PromptLimit, Vocabulary, tokenize_answers, tokenize_prompts
from drpo.rl.resets import by_item, draw, place_starts

SIGNS = ["猫", "日本", "🙂", "👍🏽", "👩‍👩‍👧", "🇯🇵", "🇫🇷", "é", "e\u0301", "ก็", "x", " ", "\n", "<"]
TEXTS = st.lists(st.sampled_from(SIGNS), min_size=1, max_size=12).map("".join)
MADE = {"bytes": make_byte_tokenizer(), "trained": fast("byte_level"), "llama": fast("llama_like")}


def kept(reader, answer, prompt="x"):
    """The texts that an answer may be broken off at."""
    ((ids, start),) = reader.rows([prompt], [answer])
    inside = reader.breaks.inside(ids[start:])
    return [reader.text(ids[start : start + n]) for n in range(len(ids) - start) if n not in inside]


@pytest.mark.parametrize("name", MADE)
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_whatever_is_given_is_a_beginning_of_the_text(name, text):
    reader = Vocabulary.of(MADE[name])
    answer = "x" + text
    for given_text in kept(reader, answer):
        assert "\ufffd" not in given_text
        assert answer.startswith(given_text)
        rest = answer[len(given_text) :]
        assert not rest.startswith(("\u0301", "\u0e47", "\u200d", "🏽"))
        assert not given_text.endswith("\u200d")
        flags = [sign for sign in given_text if "\U0001f1e6" <= sign <= "\U0001f1ff"]
        assert len(flags) % 2 == 0


def test_a_second_reading_is_the_first(byte_tokenizer):
    breaks = Vocabulary.of(byte_tokenizer).breaks
    texts = ["plain", "caf\u00e9", "plain \U0001f600", "e\u0301 plain"]
    first = [breaks.inside(byte_tokenizer(text)["input_ids"]) for text in texts]
    assert first == [breaks.inside(byte_tokenizer(text)["input_ids"]) for text in texts]
    assert first[0] == ()
    assert all(first[1:])


def test_between_characters_every_place_is_open():
    reader = Vocabulary.of(make_byte_tokenizer())
    assert kept(reader, "日a🙂é") == ["", "日", "日a", "日a🙂", "日a🙂é"]
    ascii_only = reader.answers(["x"], [" plain"])[0]
    assert reader.breaks.inside(ascii_only) == ()


def test_marks_of_the_template_stay_whole():
    tokenizer = chat_tokenizer("qwen2")
    reader = Vocabulary.of(tokenizer, chat=chat_template(tokenizer, "chat"))
    answer = "<think>\nhm\n</think>\n\nFood <b>."
    texts = kept(reader, answer, Prompt("What?"))
    for mark in ("<think>", "</think>"):
        begin = answer.index(mark)
        assert not any(begin < len(text) < begin + len(mark) for text in texts)
    assert any(text.endswith("<b") for text in texts)  # no mark of this template


def test_what_a_template_puts_around_an_answer_stays_whole():
    tokenizer = chat_tokenizer("qwen2")
    # Published templates write an empty thought before an answer that has none.
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "{%- set said = message.content %}",
        "{%- set said = message.content %}{%- if message.role == 'assistant' and loop.last %}"
        "{%- set said = '<think>\\n\\n</think>\\n\\n' + said + '\\n' %}{%- endif %}",
    )
    chat = chat_template(tokenizer, "chat")
    assert chat.lead == "<think>\n\n</think>\n\n"
    texts = kept(Vocabulary.of(tokenizer, chat=chat), "Food.", Prompt("What?"))
    assert texts[:2] == ["", f"{chat.lead}"] or texts[1].startswith(chat.lead)
    assert not any(0 < len(text) < len(chat.lead) for text in texts)
    assert texts[-1] == f"{chat.lead}Food."


@pytest.mark.parametrize("min_prefix", [0, 1])
def test_no_reset_falls_inside_a_character(min_prefix):
    reader = Vocabulary.of(make_byte_tokenizer())
    pairs = [Pair(f"p{n}", "日🙂 猫", "x") for n in range(3)]
    prompts = tokenize_prompts(reader, pairs, PromptLimit(9, "a test"))
    offline = by_item(tokenize_answers(reader, pairs, prompts, "chosen", 99))
    given_texts = {
        reader.text(start.given)
        for step in range(40)
        for start in place_starts(
            prompts, offline, draw(3, 0, step), reset_prob=1.0, min_prefix=min_prefix
        )
    }
    assert given_texts == set(["", "日", "日🙂", "日🙂 ", "日🙂 猫"][min_prefix:])
