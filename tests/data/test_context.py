"""What stands before a prompt is trained on or named, and a prompt never holds its own answer."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drpo.data.io.source import Source
from drpo.data.loading import read_pairs
from drpo.data.quality.report import Settings, build_report
from drpo.data.quality.report_text import report_lines
from drpo.data.schema.column_mapping import parse_map

ASKED = "And what about the price of bread?"
GOOD, BAD = "It costs three coins at the market.", "No idea at all, ask somebody else."
EARLIER = ("Where is bread sold around here?", "At the baker's, right over the bridge.")
TOLD = "Speak like a sailor."


def read(rows, mapping=""):
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return read_pairs(Source.from_bytes(content, name="x.jsonl"), mapping=parse_map(mapping))


def turn(role, text):
    return {"role": role, "content": text}


def share(speaker, text):
    return {"from": speaker, "value": text}


def whole(answer):
    return [turn("user", ASKED), turn("assistant", answer)]


LAYOUTS = {
    "explicit": {"prompt": ASKED, "chosen": GOOD, "rejected": BAD},
    "instruction": {"instruction": ASKED, "input": "", "chosen": GOOD, "rejected": BAD},
    "transcripts": {
        "chosen": f"\n\nHuman: {ASKED}\n\nAssistant: {GOOD}",
        "rejected": f"\n\nHuman: {ASKED}\n\nAssistant: {BAD}",
    },
    "messages": {"chosen": whole(GOOD), "rejected": whole(BAD)},
    "prompt and messages": {
        "prompt": ASKED,
        "chosen": [turn("assistant", GOOD)],
        "rejected": [turn("assistant", BAD)],
    },
    "sharegpt": {
        "conversations": [share("human", ASKED)],
        "chosen": share("gpt", GOOD),
        "rejected": share("gpt", BAD),
    },
    "answers": {"question": ASKED, "answer_a": GOOD, "answer_b": BAD, "winner": "a"},
    "dialogues": {"conversation_a": whole(GOOD), "conversation_b": whole(BAD), "winner": "a"},
}
CONTEXTS = {
    "system": (TOLD, (TOLD,)),
    "system_prompt": (TOLD, (TOLD,)),
    "history": ([list(EARLIER)], EARLIER),
    "chat_history": ([turn("user", EARLIER[0]), turn("assistant", EARLIER[1])], EARLIER),
    "persona": ("An old sailor who loves bread.", ()),
    "tools": ([{"name": "look"}], ()),
    "images": (["x.png"], ()),
    "documents": (["Bread costs three coins."], ()),
}
DIALOGUES = {
    "messages": whole(GOOD),
    "conversation": [*whole(BAD)],
    "dialogue": [turn("user", EARLIER[0]), *whole(GOOD)],
}


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    contexts=st.sets(st.sampled_from(sorted(CONTEXTS)), max_size=3),
    dialogues=st.sets(st.sampled_from(sorted(DIALOGUES)), max_size=1),
    order=st.randoms(use_true_random=False),
)
def test_every_context_is_trained_on_or_named_and_no_prompt_holds_its_answer(
    layout, contexts, dialogues, order
):
    row = {name: CONTEXTS[name][0] for name in contexts} | LAYOUTS[layout]
    row |= {name: DIALOGUES[name] for name in dialogues if name not in row}
    names = list(row)
    order.shuffle(names)
    found = read([{name: row[name] for name in names}] * 2)
    for pair in found.pairs:
        assert pair.chosen.strip() not in pair.prompt
        assert pair.rejected.strip() not in pair.prompt
        assert ASKED in pair.prompt
        detail = str(found.problems.detail("unused_context", pair.row) or "")
        for name in contexts:
            texts = CONTEXTS[name][1]
            used = texts and all(pair.prompt.count(text) == 1 for text in texts)
            assert used or repr(name) in detail
    assert len(found.pairs) == 2


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_earlier_turns_mapped_as_the_system_are_never_ignored(layout):
    row = LAYOUTS[layout] | {"past": [list(EARLIER)]}
    pair = read([row] * 2, "system=past").pairs[0]
    assert all(pair.prompt.count(text) == 1 for text in (*EARLIER, ASKED))


def test_a_dialogue_with_the_answer_alone_loses_it_from_the_prompt():
    row = {
        "messages": whole(GOOD),
        "chosen": [turn("assistant", GOOD)],
        "rejected": [turn("assistant", BAD)],
    }
    pair = read([row] * 2).pairs[0]
    assert pair.prompt == f"\n\nHuman: {ASKED}\n\nAssistant:"


def test_a_prompt_that_ends_with_the_answer_is_left_out():
    row = {"prompt": f"{ASKED} {GOOD}", "chosen": GOOD, "rejected": BAD}
    assert read([row, LAYOUTS["explicit"]]).problems.rows("answer_in_prompt") == [1]


def test_a_system_text_stands_before_a_demonstration():
    from drpo.data.reading import PairReader

    rows = [
        {"id": str(i), "system_prompt": TOLD, "question": ASKED, "response": GOOD} for i in "12"
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (first, _) = PairReader(Source.from_bytes(content, name="x.jsonl"))
    assert first.prompt == f"{TOLD}\n\n{ASKED}\n\n"


def test_reasoning_and_pictures_are_named():
    reasoned = {**turn("assistant", GOOD), "reasoning_content": "let me think"}
    row = {"prompt": [turn("user", f"<image>{ASKED}")], "chosen": [reasoned]}
    row |= {"rejected": [turn("assistant", BAD)], "images": ["x.png"]}
    found = read([row] * 2)
    detail = str(found.problems.detail("unused_context", 1))
    assert all(name in detail for name in ("images", "<image>", "reasoning_content (chosen)"))


def test_a_tool_call_without_text_says_so():
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    row = {"messages": [turn("user", ASKED), call, {"role": "tool", "content": "found"}]}
    row |= {"chosen": turn("assistant", GOOD), "rejected": turn("assistant", BAD)}
    found = read([row] * 2)
    assert "message 2 is a tool call without text" in str(found.problems.detail("tools", 1))
    assert '\n\nAssistant: {"id": "1"}\n\nTool: found\n\nAssistant:' in found.pairs[0].prompt
    assert found.pairs[0].messages[1]["tool_calls"] == [{"id": "1"}]


def test_the_report_names_every_column_that_is_not_used():
    row = LAYOUTS["explicit"] | {"id": 1, "persona": "A sailor."}
    report = build_report(read([row] * 2), Settings())
    assert report["unused_columns"] == ["id", "persona"]
    assert "  not used: 'id', 'persona'" in list(report_lines(report))
