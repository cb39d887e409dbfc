"""What a judgement's values mean is never guessed: one convention fits, or the desk asks."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drpo.cli import main
from drpo.data.io.limits import AmbiguousError
from drpo.data.io.source import Source
from drpo.data.loading import read_pairs
from drpo.data.quality.question_text import question_lines
from drpo.data.schema.column_mapping import parse_map
from drpo.data.schema.questions import AskedError

# What public sets mean by their codes: first, second, tie.
CODINGS = [
    (0, 1, 2),
    (1, 2, 0),
    (1, 2, 3),
    (1, 0, None),
    (0, 1, None),
    (1, -1, 0),
    (-1, 1, 0),
    (1, 3, 2),
    (True, False, None),
    (False, True, None),
    ("yes", "no", None),
    ("win", "loss", "tie"),
    ("A", "B", "tie"),
    ("left", "right", "tie"),
    (1, 2, None),
]
NAMES = [("answer_a", "answer_b"), ("response 1", "response 2"), ("output_0", "output_1")]


def rows_of(coding, names=("answer_a", "answer_b"), meant="fsftsfs", **more):
    codes = dict(zip("fst", coding, strict=True))
    return [
        {"prompt": f"Question {i}?", names[0]: f"one {i}", names[1]: f"two {i}"}
        | {"label": codes[m] if codes[m] is not None else codes["f"]}
        | {name: value(m) for name, value in more.items()}
        for i, m in enumerate(meant)
    ]


def read(rows, mapping=""):
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return read_pairs(Source.from_bytes(content, name="x.jsonl"), mapping=parse_map(mapping))


def asked(rows, mapping=""):
    with pytest.raises(AskedError) as caught:
        read(rows, mapping)
    return caught.value.question


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    coding=st.sampled_from(CODINGS),
    names=st.sampled_from(NAMES),
    meant=st.text("fst", min_size=2, max_size=12),
)
def test_a_reading_is_the_meant_one_or_is_asked_for(coding, names, meant):
    # Every value occurs: of a file with 1 and 2 only, nothing tells that 3 was meant too.
    meant = "fst" + meant
    if coding[2] is None:
        meant = meant.replace("t", "f")
    rows = rows_of(coding, names, meant)
    right = {i: m for i, m in enumerate(meant, 1) if m != "t"}
    try:
        found = read(rows)
    except AmbiguousError:
        return
    chosen = {pair.row: "f" if pair.chosen.startswith("one") else "s" for pair in found.pairs}
    assert chosen == right


@pytest.mark.parametrize("coding", [(0, 1, 2), (1, 2, 0)])
def test_zero_one_two_is_asked_with_both_conventions_and_their_ties(coding):
    question = asked(rows_of(coding, ("response 1", "response 2")))
    ways = {reading.flag(): reading for reading in question.readings}
    assert {"first_is=0,second_is=1,tie_is=2", "first_is=1,second_is=2,tie_is=0"} <= ways.keys()
    codes = dict(zip("fst", coding, strict=True))
    twos = [codes[m] for m in "fsftsfs"].count(2) / 7
    assert ways["first_is=0,second_is=1,tie_is=2"].ties == pytest.approx(twos)
    assert all(len(reading.rows) == 3 for reading in question.readings)


def test_the_chosen_reading_is_the_one_that_is_used():
    found = read(rows_of((0, 1, 2)), "first_is=0,second_is=1,tie_is=2")
    assert [pair.chosen[:3] for pair in found.pairs] == ["one", "two", "one", "two", "one", "two"]
    assert found.problems.rows("tie") == [4]


def test_the_reading_that_scores_support_is_offered_first():
    scored = {"score_A": lambda m: 9 if m == "f" else 1, "score_B": lambda _: 5}
    rows = rows_of((1, 0, None), ("ref_A", "ref_B"), "fsfssf", **scored)
    first, second = asked(rows).readings
    assert (first.flag(), first.supported) == ("first_is=1,second_is=0", True)
    assert first.evidence[0]["columns"] == ["score_A", "score_B"]
    assert (first.evidence[0]["agrees"], second.evidence[0]["agrees"]) == (1.0, 0.0)


def test_a_second_judgement_in_words_is_evidence():
    rows = rows_of((0, 1, 2), human=lambda m: {"f": "a", "s": "b", "t": "tie"}[m])
    question = asked(rows, "labels=label")
    assert question.readings[0].flag() == "first_is=0,second_is=1,tie_is=2"
    assert question.readings[0].supported


def test_the_question_is_told_with_rows():
    lines = list(question_lines(asked(rows_of((0, 1, 2))).as_dict()))
    assert any("--map first_is=0,second_is=1,tie_is=2" in line for line in lines)
    assert any("row 1: label = 0: 'answer_a' is better: 'one 0'" in line for line in lines)


def test_the_question_is_asked_in_the_readers_language(tmp_path, capsys, monkeypatch):
    file = tmp_path / "x.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows_of((0, 1, 2))))
    monkeypatch.setenv("DRPO_LANG", "ja")
    with pytest.raises(SystemExit):
        main(["data", "check", str(file)])
    said = capsys.readouterr().err.splitlines()[0]
    assert said.startswith("列 'label' の値 '0', '1', '2' は、複数の意味に取れます。")
    assert "--map first_is=0,second_is=1,tie_is=2" in said


def test_a_constant_column_is_no_judgement():
    rows = [
        {"preference": row.pop("label"), "annotator": "judge_v1", **row}
        for row in rows_of((1, 2, None), ("output_1", "output_2"), "fsfs")
    ]
    found = read(rows)
    assert found.layout.labels == ("preference",)
    assert [pair.chosen[:3] for pair in found.pairs] == ["one", "two", "one", "two"]


def test_hashes_and_free_text_are_no_judgement():
    rows = [
        {"winner": row.pop("label"), "annotator": f"{i:032x}", "annotation": "I like it" * 9, **row}
        for i, row in enumerate(rows_of(("a", "b", None), meant="fsfs"))
    ]
    assert read(rows).layout.labels == ("winner",)


@pytest.mark.parametrize(
    ("values", "middle"),
    [((-3, 0, 2, 3), "0"), ((0.0, 0.5, 1.0), "0.5"), ((1, 4, 5, 7), "4"), ((1, 2, 3, 4, 5), "3")],
)
def test_degrees_are_asked_for_by_direction_and_middle(values, middle):
    rows = [
        {"prompt": f"Q{i}?", "response_a": "one", "response_b": "two", "preference": value}
        for i, value in enumerate(values)
    ]
    ways = [reading.flag() for reading in asked(rows).readings]
    assert ways == [f"first_is=low,middle={middle}", f"first_is=high,middle={middle}"]


def test_the_distance_from_the_middle_is_the_margin_and_the_middle_is_a_tie():
    rows = [
        {"prompt": f"Q{i}?", "response_a": "one", "response_b": "two", "preference": value}
        for i, value in enumerate((-3, 0, 2, None))
    ]
    found = read(rows, "first_is=low,middle=0")
    assert [(pair.chosen, pair.margin) for pair in found.pairs] == [("one", 3.0), ("two", 2.0)]
    assert (found.problems.rows("tie"), found.problems.rows("unjudged")) == ([2], [4])


def judged_in_words(codes, names=("response_a", "response_b")):
    return [
        {
            "prompt": f"Q{n}?",
            names[0]: f"one {n}",
            names[1]: f"two {n}",
            "preference": codes[n % len(codes)],
        }
        for n in range(4 * len(codes))
    ]


@pytest.mark.parametrize(
    ("codes", "margins"),
    [
        (("A is slightly better", "A is much better", "B is better", "about the same"), (1, 3, -2)),
        (("response_a_slightly_better", "response_b_much_better", "tie"), (1, -3)),
        (("a bit better a", "a much worse", "a a lot better"), (1, -3, 3)),
        (("[[A>>B]]", "[[A>B]]", "[[A=B]]", "[[B>A]]", "[[B>>A]]"), (2, 1, -1, -2)),
        (("strongly prefer B", "slightly prefer A", "no preference"), (-3, 1)),
    ],
)
def test_words_of_degree_say_which_answer_and_how_clearly(codes, margins):
    found = read(judged_in_words(codes))
    told = [
        pair.margin if pair.chosen.strip().startswith("one") else -pair.margin
        for pair in found.pairs[: len(margins)]
    ]
    assert told == list(margins)


def test_words_of_degree_that_name_no_answer_are_asked_for():
    rows = judged_in_words(("slightly better", "much better", "much worse", "about the same"))
    with pytest.raises(AskedError) as asked:
        read(rows)
    assert len(asked.value.question.readings) == 2
    parts = next(
        r.flag() for r in asked.value.question.readings if "better" in r.flag().split("second")[0]
    )
    found = read(rows, parts)
    assert [pair.margin for pair in found.pairs[:3]] == [1, 3, 3]
    assert [pair.chosen.strip()[:3] for pair in found.pairs[:3]] == ["one", "one", "two"]


def test_words_without_degrees_give_no_margin():
    found = read(judged_in_words(("A is better", "B is better")))
    assert {pair.margin for pair in found.pairs} == {None}
