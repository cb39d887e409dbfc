"""Answers with ranks, scores, thumbs and ratings: pairs by a rule, or only the liked ones."""

import json

import pytest

from drpo.data import load_demonstrations, load_pairs
from drpo.data.io.source import Source
from drpo.data.loading import read_pairs
from drpo.data.quality.question_text import question_lines
from drpo.data.quality.report import Settings, build_report
from drpo.data.quality.report_text import report_lines
from drpo.data.reading import PairReader
from drpo.data.schema.column_mapping import parse_map
from drpo.data.schema.questions import AskedError
from drpo.errors import DataError


def source(rows):
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return Source.from_bytes(content, name="x.jsonl")


def read(rows, mapping=""):
    return read_pairs(source(rows), mapping=parse_map(mapping))


def pairs_of(found):
    return [(pair.chosen.strip(), pair.rejected.strip(), pair.margin) for pair in found.pairs]


def scored(*scores, key="overall_score", name="completions"):
    items = [{"response": f"answer {i}", key: s, "model": "m"} for i, s in enumerate(scores)]
    return {"instruction": f"Do {scores}", name: items}


def test_ranked_lists_pair_the_first_with_the_last():
    rows = [scored(2.0, 1.0, 3.0, key="rank", name="answers")] * 2
    assert pairs_of(read(rows)) == [("answer 1", "answer 2", 2.0)] * 2


def test_of_a_rank_the_high_end_may_be_said_to_be_better():
    rows = [scored(2.0, 1.0, 3.0, key="rank", name="answers")] * 2
    found = read(rows, "rating=rank,first_is=high")
    assert pairs_of(found) == [("answer 2", "answer 1", 2.0)] * 2


def test_scored_lists_pair_the_best_with_the_worst_and_equal_ones_are_ties():
    found = read([scored(1, 8, 5), scored(4, 4, 4)])
    assert pairs_of(found) == [("answer 1", "answer 0", 7.0)]
    assert found.problems.rows("tie") == [2]


def test_all_pairs_that_lie_a_gap_apart_can_be_asked_for():
    found = read([scored(1, 8, 5), scored(4, 4, 5)], "pairs=gap:3")
    assert pairs_of(found) == [
        ("answer 1", "answer 2", 3.0),
        ("answer 1", "answer 0", 7.0),
        ("answer 2", "answer 0", 4.0),
    ]
    counts = build_report(found, Settings())["counts"]
    assert (counts["rows"], counts["pairs"], counts["prompts"]) == (2, 3, 1)


def test_the_best_against_a_random_other_is_the_same_whenever_the_file_is_read():
    rows = [scored(1, 8, 5, 2), scored(4, 4, 4)] + [scored(n, 3, 2, 1) for n in range(4, 24)]
    found = read(rows, "pairs=best_random")
    assert pairs_of(found) == pairs_of(read(rows, "pairs=best_random"))
    assert [pair.row for pair in found.pairs] == [1, *range(3, 23)]
    others = {pair.rejected.strip() for pair in found.pairs[1:]}
    assert others == {"answer 1", "answer 2", "answer 3"}
    assert all(pair.margin > 0 for pair in found.pairs)


def test_every_rule_says_beforehand_how_many_pairs_it_makes():
    rows = [scored(1, 8, 5, 2), scored(4, 4, 4), scored(3, 1)]
    report = build_report(read(rows), Settings())
    counts = {one["rule"]: one["pairs"] for one in report["pair_rules"]}
    assert counts["best_worst"] == counts["best_random"] == 2
    assert len(counts) > 4
    for rule, pairs in counts.items():
        assert len(read(rows, f"pairs={rule}").pairs) == pairs
    assert any("best_random 2" in line for line in report_lines(report))


def test_a_list_of_texts_has_its_scores_beside_it():
    rows = [{"prompt": "Q?", "responses": ["a", "b", "c"], "scores": [0.1, 0.5, 0.3]}] * 2
    assert pairs_of(read(rows))[0][:2] == ("b", "a")


def test_rows_whose_answers_are_no_list_are_set_apart():
    rows = [scored(1, 8, 5), {"instruction": "Do it", "completions": 3}]
    found = read(rows)
    assert len(found.pairs) == 1
    assert found.problems.rows("unjudged") == [2]


def test_an_unknown_rule_says_what_there_is():
    with pytest.raises(DataError, match="best_worst, best_random or gap:NUMBER"):
        read([scored(1, 2)] * 2, "pairs=random")


THUMBS = [{"prompt": f"Q{i}?", "completion": f"answer {i}", "label": i % 2 == 0} for i in range(4)]


def test_of_answers_with_a_thumb_only_the_liked_ones_are_demonstrations(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in THUMBS))
    assert [pair.chosen for pair in load_demonstrations(str(path))] == ["answer 0", "answer 2"]
    assert read(THUMBS).problems.rows("not_liked") == [2, 4]
    with pytest.raises(DataError, match="no pairs"):
        load_pairs(str(path))


@pytest.mark.parametrize(("good", "bad"), [(1, 0), ("yes", "no"), ("up", "down"), (1, -1)])
def test_every_spelling_of_a_thumb_is_understood(good, bad):
    rows = [{**row, "label": good if row["label"] else bad} for row in THUMBS]
    assert read(rows).demonstrations == 2


def test_thumbs_on_answers_to_one_prompt_offer_pairs():
    rows = [{**row, "prompt": "Q?"} for row in THUMBS[:2]]
    with pytest.raises(AskedError) as caught:
        read(rows)
    ways = [reading.flag() for reading in caught.value.question.readings]
    assert ways == ["rating=label,pairs=best_worst", "rating=label,liked=true"]
    assert pairs_of(read(rows, ways[0])) == [("answer 0", "answer 1", 1.0)]
    assert read(rows, ways[1]).demonstrations == 1


RATED = [
    {"prompt": f"Q{i // 2}?", "response": f"answer {i}", "helpfulness": rating, "verbosity": 1}
    for i, rating in enumerate((4, 0, 1, 3))
]


def test_ratings_are_asked_for_and_pairs_are_made_within_a_prompt():
    with pytest.raises(AskedError) as caught:
        read(RATED)
    question = caught.value.question
    assert question.readings[0].flag() == "rating=helpfulness,pairs=best_worst"
    assert any("helpfulness = 4" in line for line in question_lines(question.as_dict()))
    found = read(RATED, question.readings[0].flag())
    assert pairs_of(found) == [("answer 0", "answer 1", 4.0), ("answer 3", "answer 2", 2.0)]


def test_a_least_rating_keeps_the_liked_answers():
    reader = PairReader(source(RATED), mapping=parse_map("rating=helpfulness,least=3"))
    assert [pair.chosen for pair in reader] == ["answer 0", "answer 3"]


def test_an_answer_beside_a_rejected_one_is_the_chosen_one():
    row = {"instruction": "Q?", "output": "good", "rejected_answer": "bad", "system": "Be kind."}
    pair = read([row] * 2).pairs[0]
    assert (pair.prompt, pair.chosen, pair.rejected) == ("Be kind.\n\nQ?\n\n", "good", "bad")
