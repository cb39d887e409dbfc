"""Rows as a model reads them: what is shown is what a run is given."""

import pytest
from chat_models import chat_folder

from drpo.data.pairs import Pair
from drpo.data.quality import token_text
from drpo.data.quality.token_lengths import proposed_length
from drpo.errors import ModelError
from drpo.evaluation.row_tokens import rows_as_read
from drpo.modeling.readers import load_reader

PAIRS = [
    Pair(
        "\n\nHuman: What is bread?\n\nAssistant:",
        f" Food 日🙂{' and more food' * (n % 4)}.",
        " No.",
        row=n + 1,
        messages=[{"role": "user", "content": "What is bread?"}],
    )
    for n in range(8)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return chat_folder("llama3", tmp_path_factory.mktemp("chat"))


@pytest.mark.parametrize("prompt_format", ["auto", "text"])
def test_the_parts_are_the_tokens_that_a_run_reads(prompt_format, folder):
    found = rows_as_read(PAIRS, folder, response_length=9, prompt_format=prompt_format)
    assert found["prompt_format"] == ("chat" if prompt_format == "auto" else "text")
    reader = load_reader(folder, prompt_format)
    for pair, row in zip(PAIRS, found["rows"], strict=True):
        ids = [token for part in row["prompt"] for token in part["ids"]]
        assert tuple(ids) == reader.prompts([pair.asked])[0]
        for name in ("chosen", "rejected"):
            (answer,) = reader.answers([pair.asked], [getattr(pair, name)])
            parts = row[name]["parts"]
            assert tuple(token for part in parts for token in part["ids"]) == answer
            assert [part for part in parts if part.get("end")] == parts[-1:]
            assert parts[-1]["special"]
            assert "\ufffd" not in "".join(part["text"] for part in parts)


def test_it_says_what_is_cut_and_what_a_reset_keeps(folder):
    found = rows_as_read(PAIRS, folder, response_length=9)
    row = found["rows"][3]["chosen"]
    cut = [part for part in row["parts"] if part.get("cut")]
    given = [part for part in row["parts"] if part.get("given")]
    assert sum(len(part["ids"]) for part in cut) == row["cut"] == row["tokens"] - 9
    assert sum(len(part["ids"]) for part in given) == row["given"]
    whole = found["rows"][0]["rejected"]
    assert (whole["cut"], whole["given"]) == (0, whole["tokens"] - 1)
    # A character of several tokens is one part, and none of its inner places begins a reset.
    wide = next(part for part in found["rows"][0]["chosen"]["parts"] if "日" in part["text"])
    assert len(wide["ids"]) > 1
    lengths = [one["chosen"]["tokens"] for one in found["rows"]]
    assert found["cut"]["chosen"] == pytest.approx(sum(n > 9 for n in lengths) / len(lengths))
    assert found["proposed"] == proposed_length(lengths) >= max(lengths)
    said = "\n".join(token_text.lines(found))
    assert "reads conversations by its own chat template; <|eot_id|>, </s>, <|eom_id|> ends" in said
    assert "|<|eot_id|>" in said
    assert "the limit cuts the last" in said


def test_a_proposal_cuts_at_most_one_answer_in_twenty():
    assert proposed_length([]) is None
    assert proposed_length([7]) == 8
    assert proposed_length([*[10] * 95, *[900] * 5]) == 16
    assert proposed_length([*[10] * 94, *[33] * 6]) == 40


def test_a_model_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(ModelError, match="expected a tokenizer beside the model"):
        rows_as_read(PAIRS, tmp_path, response_length=9)
