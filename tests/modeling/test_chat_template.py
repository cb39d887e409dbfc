"""Conversations are read as `apply_chat_template` writes them, for chat models of each family."""

import shutil

import pytest
from chat_models import LLAMA, STYLES, chat_tokenizer
from tokenizer_families import fast

from drpo.data.pairs import Pair, Prompt
from drpo.errors import ConfigError, DataError, ModelError
from drpo.modeling.chat_template import chat_template
from drpo.modeling.tokenization import PromptLimit, Vocabulary, tokenize_answers, tokenize_prompts
from drpo.stages.examples import one_row, two_rows


def said(role, content, **more):
    return {"role": role, "content": content, **more}


ASKED = [said("user", "What is bread?")]
SEVERAL = [*ASKED, said("assistant", "Food 日本."), said("user", "Why? 🙂")]
TOLD = [said("system", "Be kind."), *SEVERAL]
CONVERSATIONS = {"one turn": ASKED, "several": SEVERAL, "system": TOLD}


@pytest.fixture(scope="module", params=STYLES)
def style(request):
    return request.param


@pytest.fixture(scope="module")
def reader(style):
    tokenizer = chat_tokenizer(style)
    ends = [tokenizer.convert_tokens_to_ids(end) for end in STYLES[style].ends]
    return Vocabulary.of(tokenizer, ends, chat=chat_template(tokenizer, "auto"))


def theirs(reader, turns, **asked):
    return reader.tokenizer.apply_chat_template(turns, return_dict=False, **asked)


@pytest.mark.parametrize("turns", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_ids_are_those_of_apply_chat_template(reader, style, turns):
    if style == "gemma" and turns is TOLD:  # it has no system turn: the user says it
        turns = [said("user", "Be kind.\n\nWhat is bread?"), *SEVERAL[1:]]
    prompt = Prompt("", CONVERSATIONS["system"] if turns[0]["content"][:2] == "Be" else turns)
    (head,) = reader.prompts([prompt])
    ((ids, start),) = reader.rows([prompt], [" Because 日."])
    opened = theirs(reader, turns, add_generation_prompt=True)
    whole = theirs(reader, [*turns, said("assistant", "Because 日.")])
    assert list(head) == opened == ids[:start]
    if style == "mistral" and turns is TOLD:
        # What the system told stands in the last turn, which is the user's only while it asks.
        assert whole[:start] != opened
        ids = ids[start:]
        whole = theirs(reader, [*SEVERAL, said("assistant", "Because 日.")])[-len(ids) :]
    # Behind the end of the turn a template may break the line: nobody writes that.
    assert ids == whole[: len(ids)]
    assert reader.text(whole[len(ids) :]).strip() == ""


def test_a_row_has_one_bos_and_the_end_of_its_family(reader, style):
    ((ids, start),) = reader.rows([Prompt("", TOLD)], [" Because."])
    tokens = reader.tokenizer.convert_ids_to_tokens(ids)
    if STYLES[style].bos == "<s>" and "bos_token" in STYLES[style].template:
        assert tokens.count("<s>") == 1
        assert tokens[0] == "<s>"
    assert tokens[-1] == STYLES[style].end
    assert not any(token in reader.stops for token in ids[start:-1])
    stops = set(reader.tokenizer.convert_ids_to_tokens(reader.stops))
    assert stops == {STYLES[style].end, STYLES[style].eos, *STYLES[style].ends}
    (unfinished,) = reader.answers([Prompt("", TOLD)], [" Because."], finished=[False])
    assert list(unfinished) == ids[start:-1]


def test_a_text_with_labels_is_read_as_its_turns(reader):
    flat = (
        "Be kind.\n\nHuman: What is bread?\n\nAssistant: Food 日本.\n\nHuman: Why? 🙂\n\nAssistant:"
    )
    assert reader.prompts([flat]) == reader.prompts([Prompt(flat, TOLD)])
    assert reader.prompts(["What is bread?\n\n"]) == reader.prompts([Prompt("", ASKED)])


def test_a_rendered_text_stays_as_it_is(reader, style):
    written = reader.tokenizer.apply_chat_template(
        SEVERAL, tokenize=False, add_generation_prompt=True
    )
    opened = theirs(reader, SEVERAL, add_generation_prompt=True)
    assert list(reader.prompts([written])[0]) == opened
    bare = written.removeprefix(reader.tokenizer.bos_token or "<s>")
    if style != "smollm2":  # whose BOS is what every turn begins with
        assert list(reader.prompts([bare])[0]) == opened
    (tail,) = reader.answers([written], [f"Because.{STYLES[style].end}"])
    assert reader.tokenizer.convert_ids_to_tokens(tail[-1]) == STYLES[style].end
    assert tail[-1] not in tail[:-1]


def test_what_reads_text_reads_it_as_before():
    tokenizer = chat_tokenizer("llama3")
    reader = Vocabulary.of(tokenizer, chat=chat_template(tokenizer, "text"))
    ((ids, start),) = reader.rows([Prompt("Q:", ASKED)], [" Because."])
    assert ids[:start] == tokenizer("Q:")["input_ids"]
    assert reader.tokenizer.convert_ids_to_tokens(ids[-1]) == "</s>"


def test_tools_their_calls_and_results_are_passed_on():
    tokenizer = chat_tokenizer("qwen2")
    reader = Vocabulary.of(tokenizer, chat=chat_template(tokenizer, "chat"))
    call = {"type": "function", "function": {"name": "look", "arguments": {"at": "bread"}}}
    turns = [*ASKED, said("assistant", "", tool_calls=[call]), said("tool", "found it")]
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    (head,) = reader.prompts([Prompt("", turns, tools)])
    assert list(head) == theirs(reader, turns, tools=tools, add_generation_prompt=True)
    assert all(
        part in tokenizer.decode(head)
        for part in ('"name": "look"', "<tool_call>", '"at": "bread"', "found it")
    )


def test_thoughts_are_kept_in_an_answer_and_stripped_from_history_as_the_template_does():
    tokenizer = chat_tokenizer("qwen2")
    reader = Vocabulary.of(tokenizer, chat=chat_template(tokenizer, "chat"))
    thought = "<think>\nhm\n</think>\n\nFood."
    turns = [*ASKED, said("assistant", thought), said("user", "Why?")]
    ((ids, start),) = reader.rows([Prompt("", turns)], [f" {thought}"])
    assert "<think>" not in tokenizer.decode(ids[:start])
    assert tokenizer.decode(ids[start:]) == f"{thought}<|im_end|>"


def test_a_conversation_that_the_template_cannot_write_is_named_by_row():
    tokenizer = chat_tokenizer("gemma")
    reader = Vocabulary.of(tokenizer, chat=chat_template(tokenizer, "chat"))
    with pytest.raises(DataError, match=r"row 7: .*roles must alternate.*prompt_format"):
        reader.prompts([Prompt("", [*ASKED, *ASKED], row=7)])


def test_a_template_may_come_from_a_file(tmp_path):
    (tmp_path / "own.jinja").write_text(LLAMA)
    tokenizer = fast("byte_level")
    chat = chat_template(tokenizer, "auto", str(tmp_path / "own.jinja"))
    assert Vocabulary.of(tokenizer, chat=chat).prompts(["Hi"])[0][:1] == (tokenizer.bos_token_id,)
    tokenizer.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "chat_template.jinja").read_text() == LLAMA
    with pytest.raises(ConfigError, match="chat_template is 'nowhere', expected a file"):
        chat_template(tokenizer, "auto", "nowhere")


def test_auto_is_text_without_a_template_and_chat_then_says_what_is_missing():
    assert chat_template(fast("byte_level"), "auto") is None
    with pytest.raises(ModelError, match="has no chat template; expected one in its chat_template"):
        chat_template(fast("byte_level"), "chat")
    broken = fast("byte_level")
    broken.chat_template = "{{ raise_exception('no') }}"
    with pytest.raises(ModelError, match="cannot write a question and its answer"):
        chat_template(broken, "auto")


def test_a_stage_and_the_policy_read_a_conversation_alike(reader):
    pairs = [Pair("", " Because 日.", " No.", row=1, messages=SEVERAL)]
    prompts = tokenize_prompts(reader, pairs, PromptLimit(999, "a test"))
    (offline,) = tokenize_answers(reader, pairs, prompts, "chosen", 999)
    ids = [*offline.prompt, *offline.answer]
    assert one_row(reader, pairs)[0].rows == ((ids, len(offline.prompt)),)
    assert two_rows(reader, pairs)[0].rows[0] == (ids, len(offline.prompt))


def test_models_read_alike_only_with_one_tokenizer_and_one_template(tmp_path):
    one = chat_tokenizer("llama3")
    one.save_pretrained(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    (tmp_path / "other" / "chat_template.jinja").write_text(LLAMA + "\n{{- '' }}")
    from drpo.modeling.model_loading import load_tokenizer

    read = {
        (name, how): Vocabulary.of(tokenizer, chat=chat_template(tokenizer, how))
        for name in ("one", "other")
        for how in ("chat", "text")
        for tokenizer in [load_tokenizer(tmp_path / name)]
    }
    assert read["one", "chat"].same_as(Vocabulary.of(one, chat=chat_template(one, "auto")))
    assert read["one", "text"].same_as(read["other", "text"])
    assert not read["one", "chat"].same_as(read["one", "text"])
    assert not read["one", "chat"].same_as(read["other", "chat"])
