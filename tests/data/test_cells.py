"""Structure written as text is read or refused, never trained on; paths lead into objects."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drpo.data.io.limits import AmbiguousError
from drpo.data.io.source import Source
from drpo.data.loading import read_pairs
from drpo.data.schema.cells import parse_structure
from drpo.data.schema.column_mapping import parse_map


def table(rows):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(content, mapping="", name="x.csv"):
    return read_pairs(Source.from_bytes(content, name=name), mapping=parse_map(mapping))


def messages(answer):
    return [{"role": "user", "content": "Sky, isn't it?"}, {"role": "assistant", "content": answer}]


@pytest.mark.parametrize(
    "write",
    [json.dumps, repr, lambda value: repr(value).replace("}, {", "}\n {")],
    ids=["json", "python", "numpy"],
)
def test_messages_written_as_text_are_messages(write):
    rows = [{"chosen": write(messages("It's blue.")), "rejected": write(messages('"Green"'))}] * 3
    pair = read(table(rows)).pairs[0]
    assert pair.prompt == "\n\nHuman: Sky, isn't it?\n\nAssistant:"
    assert (pair.chosen, pair.rejected) == (" It's blue.", ' "Green"')


def test_lists_of_texts_are_turns():
    row = {
        "prompt": json.dumps(["Hi", "And then?"]),
        "response_a": json.dumps(["Hello.", "Blue."]),
        "response_b": json.dumps(["Hello.", "Green."]),
        "winner": "a",
    }
    pair = read(table([row, row | {"winner": "b"}])).pairs[0]
    assert pair.prompt == "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: And then?\n\nAssistant:"
    assert (pair.chosen, pair.rejected) == (" Blue.", " Green.")


def test_a_missing_last_turn_is_an_empty_answer():
    row = {"prompt": '["Hi", "And?"]', "response_a": '["Yes.", "Blue."]', "winner": "a"}
    rows = [row | {"response_b": last} for last in ('["Well.", null]', '["Yes.", "Green."]')]
    assert read(table([*rows, rows[1] | {"winner": "b"}])).problems.rows("empty_answer") == [1]


def test_a_list_of_one_text_is_that_text():
    row = {"prompt": '["Sky?"]', "chosen": "['blue']", "rejected": "['green']"}
    pair = read(table([row] * 2)).pairs[0]
    assert "[" not in pair.prompt + pair.chosen + pair.rejected


def test_answers_of_another_number_of_turns_are_refused():
    row = {"prompt": "Sky?", "chosen": '["a", "b"]', "rejected": '["a", "c"]'}
    found = read(table([row] * 2))
    assert found.problems.rows("wrong_type") == [1, 2]
    assert "1, 2, 2" in str(found.problems.detail("wrong_type", 1))


@pytest.mark.parametrize("word", ["nan", "NaN", "None", "null", "[]", "<NA>"])
def test_a_word_for_no_value_is_a_missing_answer(word):
    row = {"prompt": "Sky?", "chosen": "blue", "rejected": "green"}
    found = read(table([row, row | {"rejected": word}, row | {"prompt": word}]))
    assert found.problems.rows("empty_answer") == [2]
    assert repr(word) in str(found.problems.detail("empty_answer", 2))
    assert found.problems.rows("empty_prompt") == [3]


def test_answers_that_are_code_stay_texts():
    row = {"prompt": "Sort 2, 1.", "chosen": "[1, 2]", "rejected": "[2, 1]"}
    assert read(table([row] * 2)).pairs[0].chosen == "[1, 2]"


def test_numpy_prints_texts_without_commas_and_they_stay_apart():
    assert parse_structure("['a' 'b'\n 'c']") == ["a", "b", "c"]


def test_what_is_read_is_never_run():
    assert parse_structure("[__import__('os').getcwd()]") is None


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.lists(st.text(max_size=30) | st.none(), min_size=1, max_size=4), st.booleans())
def test_what_was_written_is_read_again(value, as_json):
    assert parse_structure(json.dumps(value) if as_json else repr(value)) == value


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="[]{}(),'\"\\a0 \n:", max_size=60))
def test_no_text_breaks_the_reading(text):
    parse_structure(f"[{text}]")


NESTED = [
    {"question": {"full_text": "Sky?", "id": "x"}, "answer_0": "blue", "answer_1": "green"}
    | {"score_0": 1, "score_1": score}
    for score in (-1, 2)
]


def test_a_path_leads_into_an_object():
    content = "".join(json.dumps(row) + "\n" for row in NESTED).encode()
    with pytest.raises(AmbiguousError, match=r"prompt=question\.full_text"):
        read(content)
    found = read(content, "prompt=question.full_text")
    assert [(pair.prompt.strip(), pair.chosen) for pair in found.pairs] == [
        ("Sky?", "blue"),
        ("Sky?", "green"),
    ]


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
def test_excels_separator_line_names_the_delimiter(line):
    content = f"{line}\r\nprompt;chosen;rejected\r\nSky, now?;blue, dark;green\r\n".encode()
    assert read(content).pairs[0].chosen == "blue, dark"
