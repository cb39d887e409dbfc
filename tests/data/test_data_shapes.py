"""Every shape of preference data is recognised without a hint, and ambiguous ones ask."""

import json

import pytest

from drpo.data import Pair, PairSet
from drpo.data.io.limits import AmbiguousError, UnreadableError
from drpo.data.io.source import Source
from drpo.data.loading import read_pairs
from drpo.data.schema.column_mapping import parse_map
from drpo.errors import DataError


def jsonl(rows: list[object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def read(content: bytes, name: str = "upload", mapping: str = "", shape: str = "") -> PairSet:
    source = Source.from_bytes(content, name=name)
    return read_pairs(source, mapping=parse_map(mapping), shape=shape or None)


def texts(pair: Pair) -> tuple[str, str, str]:
    return pair.prompt, pair.chosen, pair.rejected


def test_columns_named_prompt_chosen_and_rejected_are_pairs():
    found = read(jsonl([{"prompt": "Sky?\nA:", "chosen": " blue", "rejected": " green"}]))
    assert texts(found.pairs[0]) == ("Sky?\nA:", " blue", " green")
    assert found.layout is not None
    assert found.layout.shape == "explicit"


def test_names_with_spaces_and_capitals_are_recognised():
    row = {"User Query": "Sky?", "Better Answer": "blue", "Worse Answer": "green", "id": "x"}
    assert texts(read(jsonl([row])).pairs[0]) == ("Sky?\n\n", "blue", "green")


def test_facts_gold_scores_and_margin_travel_with_the_pair():
    row = {
        "prompt": "p:",
        "chosen": "a",
        "rejected": "b",
        "facts": {"who": "cat"},
        "gold_chosen": 3.0,
        "gold_rejected": 1.0,
        "margin": 0.5,
    }
    pair = read(jsonl([row])).pairs[0]
    assert pair.facts == {"who": "cat"}
    assert (pair.gold_chosen, pair.gold_rejected, pair.margin) == (3.0, 1.0, 0.5)


def test_a_stray_space_before_one_answer_cannot_tell_the_two_apart():
    row = {"prompt": "Say it.", "chosen": "yes", "rejected": " no"}
    assert texts(read(jsonl([row])).pairs[0]) == ("Say it.\n\n", "yes", "no")


def test_whitespace_that_both_answers_share_is_kept():
    row = {"prompt": "TL;DR:", "chosen": "  one", "rejected": "  two"}
    assert texts(read(jsonl([row])).pairs[0]) == ("TL;DR:", "  one", "  two")


def test_transcripts_are_cut_after_the_last_shared_assistant_turn():
    head = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: A cake?\n\nAssistant:"
    found = read(jsonl([{"chosen": head + " Sponge.", "rejected": head + " Stones."}]))
    assert texts(found.pairs[0]) == (head, " Sponge.", " Stones.")


def test_transcripts_that_part_before_the_last_turn_are_named_and_left_out():
    good = {"chosen": "\n\nHuman: Hi\n\nAssistant: A", "rejected": "\n\nHuman: Hi\n\nAssistant: B"}
    parting = {
        "chosen": "\n\nHuman: Hi\n\nAssistant: A\n\nHuman: More\n\nAssistant: C",
        "rejected": "\n\nHuman: Hi\n\nAssistant: B\n\nHuman: Less\n\nAssistant: D",
    }
    found = read(jsonl([good, parting]))
    assert found.problems.rows("diverges") == [2]
    assert len(found) == 1


def test_an_answer_that_speaks_for_the_human_is_pointed_out():
    head = "\n\nHuman: Hi\n\nAssistant:"
    found = read(jsonl([{"chosen": head + " Human: Well", "rejected": head + " Hello"}]))
    assert found.problems.rows("role_label") == [1]
    assert len(found) == 1


def test_message_lists_with_typed_parts_become_a_dialogue():
    def messages(answer: str) -> list[dict[str, object]]:
        return [
            {"role": "system", "content": [{"type": "text", "value": "Be kind."}]},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": [{"type": "text", "value": answer}]},
        ]

    row = {"chosen_messages": messages("Hello!"), "rejected_messages": messages(" Go away")}
    prompt = "Be kind.\n\nHuman: Hi\n\nAssistant:"
    assert texts(read(jsonl([row])).pairs[0]) == (prompt, " Hello!", " Go away")


def test_sharegpt_conversations_with_chosen_and_rejected_objects():
    row = {
        "conversations": [{"from": "human", "value": "Hi"}],
        "chosen": {"from": "gpt", "value": "Hello"},
        "rejected": {"from": "gpt", "value": "What"},
    }
    assert texts(read(jsonl([row])).pairs[0]) == ("\n\nHuman: Hi\n\nAssistant:", " Hello", " What")


def test_a_prompt_beside_whole_message_lists_is_not_said_twice():
    row = {
        "prompt": "Hi",
        "chosen": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A"}],
        "rejected": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "B"}],
    }
    assert read(jsonl([row])).pairs[0].prompt == "\n\nHuman: Hi\n\nAssistant:"


def test_message_lists_that_differ_earlier_are_named():
    row = {
        "chosen": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A"}],
        "rejected": [{"role": "user", "content": "Ho"}, {"role": "assistant", "content": "B"}],
    }
    assert read(jsonl([row])).problems.rows("diverges") == [1]


def test_instruction_and_input_make_one_prompt():
    row = {"instruction": "Add.", "input": "1 2", "chosen": "3", "rejected": "4"}
    assert read(jsonl([row])).pairs[0].prompt == "Add.\n\n1 2\n\n"


def test_response_j_is_preferred_to_response_k():
    row = {"question": "Sky?", "response_j": "blue", "response_k": "green"}
    assert texts(read(jsonl([row])).pairs[0])[1:] == ("blue", "green")


@pytest.mark.parametrize(
    ("values", "outcomes"),
    [
        ((1, 2, "tie"), "fst"),
        (("1", "2.0", None), "fsu"),
        (("a", "b", "tie"), "fst"),
        (("model_a", "model_b", "tie (bothbad)"), "fst"),
        (("A", "B", "C"), "fst"),
        (("[[A]]", "[[B]]", "[[C]]"), "fst"),
        (("answer1", "answer2", "draw"), "fst"),
        (("first", "second", None), "fsu"),
        (("left", "right", ""), "fsu"),
    ],
)
def test_the_usual_codes_of_a_judgement_are_understood(values, outcomes):
    rows = [
        {"question": f"Q{i}?", "answer1": "one", "answer2": "two", "winner": value}
        for i, value in enumerate(values)
    ]
    found = read(jsonl(rows))
    chosen = {pair.row: pair.chosen for pair in found.pairs}
    ties, unjudged = found.problems.rows("tie"), found.problems.rows("unjudged")
    for row, outcome in enumerate(outcomes, 1):
        if outcome in "fs":
            assert chosen[row] == {"f": "one", "s": "two"}[outcome]
        else:
            assert row in (ties if outcome == "t" else unjudged)


def test_zero_and_one_count_answers_that_are_numbered_so():
    rows = [
        {"prompt": "Q?", "response_0": "a", "response_1": "b", "better_response_id": n}
        for n in (0, 1)
    ]
    assert [pair.chosen for pair in read(jsonl(rows)).pairs] == ["a", "b"]


def test_a_zero_one_label_between_a_and_b_asks_instead_of_guessing():
    rows = [{"prompt": "Q?", "answer_a": "x", "answer_b": "y", "label": n} for n in (0, 1)]
    with pytest.raises(AmbiguousError, match="first_is"):
        read(jsonl(rows))
    found = read(jsonl(rows), mapping="first_is=1,second_is=0")
    assert [pair.chosen for pair in found.pairs] == ["y", "x"]


def test_a_label_may_name_a_column_and_then_the_other_code_is_the_other_answer():
    header = b",query,postprocessed_response,reference_responses,preferred\n"
    body = (
        b'0,"Post\n\nTL;DR:", mine, theirs,ours\n1,"B\n\nTL;DR:", m2, t2,reference\n2,C:, m, t,\n'
    )
    found = read(header + body, name="judged.csv")
    assert [pair.chosen for pair in found.pairs] == [" mine", " t2"]
    assert found.problems.rows("unjudged") == [3]


def test_the_majority_of_several_annotators_decides_and_agreement_is_reported():
    votes = [(1, 1, 2), (2, 2, 2), (0, 0, 1), (0, 1, 2)]
    rows = [
        {
            "instruction": f"Do {i}",
            "response1": "a",
            "response2": "b",
            "annotator1": x,
            "annotator2": y,
            "annotator3": z,
        }
        for i, (x, y, z) in enumerate(votes)
    ]
    found = read(jsonl(rows), mapping="first_is=1,second_is=2,tie_is=0")
    assert [pair.chosen for pair in found.pairs] == ["a", "b"]
    assert found.problems.rows("tie") == [3]
    assert found.problems.rows("no_majority") == [4]
    assert found.agreement is not None
    assert found.agreement["unanimous"] == 0.25
    # By hand: 6 of 24 ordered pairs of votes on row 2 agree, 2 each on rows 1 and 3, none on 4.
    assert found.agreement["agreeing_votes"] == pytest.approx(10 / 24)


def test_krippendorffs_alpha_matches_a_worked_example():
    # Two coders, ten units, values as in Krippendorff (2011), section B: alpha .095.
    first = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    second = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    rows = [
        {"prompt": f"p{i}", "response_0": "a", "response_1": "b", "label_id_1": x, "label_id_2": y}
        for i, (x, y) in enumerate(zip(first, second, strict=True))
    ]
    found = read(jsonl(rows), mapping="labels=label_id_1+label_id_2,first_is=0,second_is=1")
    assert found.agreement is not None
    assert found.agreement["krippendorff_alpha"] == pytest.approx(0.095, abs=0.001)


def test_a_score_for_each_answer_decides_and_gives_the_margin():
    rows = [
        {"prompt": "Q?", "response_a": "x", "response_b": "y", "score_a": a, "score_b": b}
        for a, b in ((2.5, 1.0), (1, 4), (3, 3), (None, 1))
    ]
    found = read(jsonl(rows))
    assert [(pair.chosen, pair.margin) for pair in found.pairs] == [("x", 1.5), ("y", 3.0)]
    assert found.problems.rows("tie") == [3]
    assert found.problems.rows("unjudged") == [4]


def test_a_winner_named_by_its_model_is_looked_up_in_the_row():
    rows = [
        {
            "prompt": "Q?",
            "model_a": "x1",
            "model_b": "y1",
            "response_a": "from x",
            "response_b": "from y",
            "winner": "y1",
        },
        {
            "prompt": "R?",
            "model_a": "y1",
            "model_b": "x1",
            "response_a": "from y",
            "response_b": "from x",
            "winner": "y1",
        },
    ]
    assert [pair.chosen for pair in read(jsonl(rows)).pairs] == ["from y", "from y"]


def test_one_hot_winners_are_understood():
    rows = [
        {
            "prompt": "Q?",
            "response_a": "x",
            "response_b": "y",
            "winner_model_a": a,
            "winner_model_b": b,
            "winner_tie": t,
        }
        for a, b, t in ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    ]
    found = read(jsonl(rows))
    assert [pair.chosen for pair in found.pairs] == ["x", "y"]
    assert found.problems.rows("tie") == [3]


def test_arena_conversations_share_a_prompt_and_ties_are_set_apart():
    def talk(answer: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": answer}]

    rows = [
        {
            "model_a": "m",
            "model_b": "n",
            "winner": winner,
            "conversation_a": talk("A"),
            "conversation_b": talk("B"),
            "turn": 1,
        }
        for winner in ("model_a", "model_b", "tie (bothbad)")
    ]
    found = read(jsonl(rows))
    assert [pair.chosen for pair in found.pairs] == [" A", " B"]
    assert found.problems.rows("tie") == [3]


def test_json_true_as_an_answer_is_named_with_its_row():
    rows = [
        {"prompt": "a?", "chosen": "x", "rejected": "y"},
        {"prompt": "b?", "chosen": True, "rejected": "y"},
    ]
    found = read(jsonl(rows))
    assert found.problems.rows("wrong_type") == [2]
    assert "true" in str(found.problems.detail("wrong_type", 2))


def test_empty_equal_and_broken_texts_are_blockers():
    rows = [
        {"prompt": "ok?", "chosen": "x", "rejected": "y"},
        {"prompt": " ", "chosen": "x", "rejected": "y"},
        {"prompt": "p", "chosen": " ", "rejected": "y"},
        {"prompt": "p", "chosen": "same", "rejected": "same "},
        {"prompt": "p", "chosen": "half \ud83d", "rejected": "y"},
        {"prompt": "p", "chosen": "x"},
    ]
    found = read(jsonl(rows))
    counts = found.problems.counts()
    assert [
        found.problems.rows(kind)
        for kind in ("empty_prompt", "empty_answer", "same_answers", "broken_text", "wrong_type")
    ] == [[2], [3], [4], [5], [6]]
    assert sum(counts.values()) == 5
    assert len(found) == 1


def test_a_code_that_appears_late_is_named_not_guessed():
    rows = [{"prompt": f"{i}?", "answer1": "x", "answer2": "y", "winner": "1"} for i in range(3)]
    rows += [{"prompt": "z?", "answer1": "x", "answer2": "y", "winner": "2"}]
    late = [*rows * 1500, {"prompt": "q?", "answer1": "x", "answer2": "y", "winner": "perhaps"}]
    assert read(jsonl(late)).problems.rows("unknown_label") == [6001]


def test_two_answers_without_a_judgement_ask():
    with pytest.raises(AmbiguousError, match="which one is better"):
        read(jsonl([{"prompt": "Q", "answer_a": "x", "answer_b": "y"}]))


def test_two_candidates_for_the_chosen_answer_ask():
    row = {"prompt": "Q", "best_answer": "x", "good_answer": "z", "bad_answer": "y"}
    with pytest.raises(AmbiguousError, match="chosen=COLUMN"):
        read(jsonl([row]))
    found = read(jsonl([row]), mapping="prompt=prompt,chosen=good_answer,rejected=bad_answer")
    assert found.pairs[0].chosen == "z"


def test_a_missing_prompt_column_asks_and_names_the_others():
    with pytest.raises(AmbiguousError, match="'topic'"):
        read(jsonl([{"topic": "Q", "chosen": "x", "rejected": "y"}]))


def test_columns_of_no_known_meaning_are_listed_in_the_error():
    with pytest.raises(UnreadableError, match=r"'colour', 'size'.*--map prompt="):
        read(jsonl([{"colour": "red", "size": "big"}]))


def test_a_mapping_to_a_missing_column_names_the_columns_there_are():
    with pytest.raises(DataError, match="no column 'Q'"):
        read(jsonl([{"p": "Q", "a": "x", "b": "y"}]), mapping="prompt=Q,chosen=a,rejected=b")


@pytest.mark.parametrize("text", ["prompt", "colour=red", "=x"])
def test_a_mapping_that_makes_no_sense_says_what_it_should_look_like(text):
    with pytest.raises(DataError, match="--map"):
        parse_map(text)


def test_any_columns_can_be_mapped_by_hand():
    row = {"p": "Q:", "a": "x", "b": "y"}
    found = read(jsonl([row]), mapping="prompt=p,chosen=b,rejected=a")
    assert texts(found.pairs[0]) == ("Q:", " y", " x")


def test_one_answer_a_prompt_is_recognised_as_demonstrations(tmp_path):
    from drpo.data import load_demonstrations, load_pairs

    path = tmp_path / "demos.jsonl"
    path.write_bytes(jsonl([{"prompt": "Q:", "response": "A"}, {"prompt": "", "response": "B"}]))
    assert [(d.prompt, d.chosen, d.row) for d in load_demonstrations(str(path))] == [
        ("Q:", " A", 1)
    ]
    with pytest.raises(DataError, match="no pairs"):
        load_pairs(str(path))


def test_dialogues_with_one_answer_are_demonstrations_too(tmp_path):
    from drpo.data import load_demonstrations

    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    path = tmp_path / "demos.jsonl"
    path.write_bytes(jsonl([{"messages": messages}]))
    found = load_demonstrations(str(path))
    assert (found[0].prompt, found[0].chosen) == ("\n\nHuman: Hi\n\nAssistant:", " Hello")


def test_annotators_with_rows_of_their_own_are_compared_where_a_column_names_them():
    rows = []
    for number in range(40):
        for who, wrong in (("ann", 10), ("bob", 7), ("cy", 2)):
            texts = f"good {number}", f"bad {number}"
            first, second = texts if number % 2 else texts[::-1]
            better = 1 if (first == texts[0]) != (number % wrong == 0) else 2
            rows.append(
                {"prompt": f"Question {number}?", "response_1": first, "response_2": second}
                | {"preference": better, "annotator": who}
            )
    found = read(jsonl(rows))
    assert found.layout.annotator == "annotator"
    by_name = {one["name"]: one for one in found.agreement["annotators"]}
    assert by_name["cy"]["agrees"] < by_name["ann"]["agrees"]
    assert by_name["cy"]["votes"] == 40
    assert found.agreement["rows"] == 40
