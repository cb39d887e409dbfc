"""Conversations stay conversations: what a file holds, what is saved, what a text is read as."""

import json

import pytest

from drpo.data.conversation import conversation
from drpo.data.io.source import Source
from drpo.data.library.export import export_version
from drpo.data.library.versions import load_version, save_version
from drpo.data.loading import read_pairs
from drpo.data.pairs import Pair, Prompt

TURNS = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "What is\n\nHuman: bread?"},
    {"role": "assistant", "content": "Food."},
    {"role": "user", "content": "Why?"},
]
FLAT = (
    "Be kind.\n\nHuman: What is\n\nHuman: bread?\n\nAssistant: Food.\n\nHuman: Why?\n\nAssistant:"
)


def read(rows, name="x.jsonl"):
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return read_pairs(Source.from_bytes(content, name=name))


def row(**more):
    answers = {"chosen": [{"role": "assistant", "content": "Because it feeds."}]}
    answers |= {"rejected": [{"role": "assistant", "content": "No idea, sorry."}]}
    return {"prompt": TURNS, **answers, **more}


def test_the_turns_of_a_file_stand_beside_its_text():
    pair = read([row(), row()]).pairs[0]
    assert pair.prompt == FLAT
    assert pair.messages == TURNS
    assert conversation(pair.asked) == TURNS


def test_tools_stand_beside_it_whether_a_list_or_its_json():
    tools = [{"type": "function", "function": {"name": "look"}}]
    for written in (tools, json.dumps(tools)):
        found = read([row(tools=written)] * 2)
        assert found.pairs[0].tools == tools
        assert found.problems.rows("tools") == [1, 2]


def test_arguments_of_a_call_are_read_as_templates_take_them():
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    turns = [TURNS[3], {"role": "assistant", "content": None, "tool_calls": [call]}]
    turns += [{"role": "tool", "tool_call_id": "1", "content": "found"}]
    pair = read([row(prompt=turns)] * 2).pairs[0]
    assert pair.messages[1]["tool_calls"][0]["function"]["arguments"] == {"at": 1}
    assert pair.messages[2] == {"role": "tool", "content": "found", "tool_call_id": "1"}


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
def test_saved_and_exported_the_conversation_stays(form, store):
    pairs = read([row(), row(prompt=TURNS[3:])]).pairs
    version = save_version(store, pairs, "talk")
    assert [pair.messages for pair in load_version(version).pairs] == [TURNS, TURNS[3:]]
    again = read_pairs(Source.from_bytes(export_version(version, form), name=f"x.{form}"))
    assert [pair.messages for pair in again.pairs] == [TURNS, TURNS[3:]]
    assert [pair.prompt for pair in again.pairs] == [pair.prompt for pair in pairs]
    assert again.problems.rows("unused_context") == []


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("What is bread?\n\n", ["user: What is bread?"]),
        ("Post: a cat\n\nTL;DR:", ["user: Post: a cat\n\nTL;DR:"]),
        ("\n\nHuman: Hi\n\nAssistant:", ["user: Hi"]),
        ("Human: Hi\n\nAssistant:", ["user: Hi"]),
        (
            "Be kind.\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Why?\n\nAssistant:",
            ["system: Be kind.", "user: Hi", "assistant: Yes?", "user: Why?"],
        ),
        ("\n\nHuman: Hi\n\nAssistant: Hello", ["user: Human: Hi\n\nAssistant: Hello"]),
    ],
)
def test_a_text_is_read_as_the_turns_that_its_labels_tell(text, turns):
    found = [f"{turn['role']}: {turn['content']}" for turn in conversation(Prompt(text))]
    assert found == turns


def test_pairs_saved_before_open_without_turns(store):
    version = save_version(store, [Pair("a", "b", "c", row=1)], "old")
    assert load_version(version).pairs == [Pair("a", "b", "c", row=1)]
