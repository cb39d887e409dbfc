"""Random files of every shape and code: read as they are meant, or asked; nothing of them is lost.

Each file is made from what it means. A reading that is taken unasked must give that, and a question
must offer it: where two conventions share their values, one of two files would be read wrongly by
whoever guesses.
"""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drpo.data.io.limits import AmbiguousError
from drpo.data.io.source import Source
from drpo.data.loading import read_pairs
from drpo.data.quality.report import Settings, build_report
from drpo.data.schema.column_mapping import parse_map
from drpo.data.schema.questions import AskedError

CODES = {
    "0 1 2": (0, 1, 2),
    "1 2 0": (1, 2, 0),
    "1 2 3": (1, 2, 3),
    "1 0": (1, 0, None),
    "0 1": (0, 1, None),
    "1 -1 0": (1, -1, 0),
    "-1 1 0": (-1, 1, 0),
    "true": (True, False, None),
    "letters": ("A", "B", "tie"),
    "brackets": ("[[A]]", "[[B]]", "[[C]]"),
    "sides": ("left", "right", "tie"),
    "names": ("answer_a", "answer_b", "both"),
    "words": ("win", "loss", "tie"),
    "degrees": ("A is much better", "B is slightly better", "about the same"),
    "arrows": ("A>>B", "B>A", "A=B"),
    "poles": ("slightly better", "much worse", "equal"),
    "-3..3": (-3, 2, 0),
    "3..-3": (3, -2, 0),
    "1..7": (1, 6, 4),
    "7..1": (7, 2, 4),
    "0..1": (0.0, 0.75, 0.5),
}
"""What a judgement says of the first, of the second, and of a tie."""
CONTEXT = {
    "system": "SYSTEM be brief about {n}",
    "history": [["HISTORY earlier {n}", "HISTORY then {n}"]],
    "images": ["IMAGES {n}.png"],
    "tools": "TOOLS search {n}",
    "document": "DOCUMENT some pages on {n}",
    "reasoning_content": "REASONING step by step {n}",
}
PATIENT = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def question(n):
    return f"Question number {n} about the colour of things?"


def good(n):
    return f"The good answer {n} says what it is, and why that is so."


def bad(n):
    return f"A bad answer {n} says something else altogether here."


def said(role, text):
    return {"role": role, "content": text}


def judged(n, vote, code):
    """Two answers and a judgement; the good one stands where the vote is."""
    first, second = (bad(n), good(n)) if vote == "s" else (good(n), bad(n))
    return {"prompt": question(n), "answer_a": first, "answer_b": second, "judgement": code}


def explicit(n):
    return {"prompt": question(n), "chosen": good(n), "rejected": bad(n)}


def transcripts(n):
    before = f"\n\nHuman: {question(n)}\n\nAssistant: "
    return {"chosen": before + good(n), "rejected": before + bad(n)}


def messages(n):
    ends = {"chosen": [said("assistant", good(n))], "rejected": [said("assistant", bad(n))]}
    return {"prompt": [said("user", question(n))], **ends}


def whole_messages(n):
    asked = said("user", question(n))
    return {
        "chosen": [asked, said("assistant", good(n))],
        "rejected": [asked, said("assistant", bad(n))],
    }


def sharegpt(n):
    return {
        "conversations": [{"from": "human", "value": question(n)}],
        "chosen": {"from": "gpt", "value": good(n)},
        "rejected": {"from": "gpt", "value": bad(n)},
    }


def answered_dialogue(n):
    talk = [said("user", question(n)), said("assistant", good(n))]
    chosen, rejected = talk, [talk[0], said("assistant", bad(n))]
    return {"prompt": question(n), "chosen": chosen, "rejected": rejected, "messages": talk}


def written_messages(n):
    return {name: json.dumps(value) for name, value in whole_messages(n).items()}


def ranked(n):
    answers = [{"answer": bad(n), "rank": 2}, {"answer": good(n), "rank": 1}]
    return {"prompt": question(n), "answers": answers}


def scored_list(n):
    answers = [{"response": good(n), "overall_score": 7 + n % 3, "model": "m"}]
    return {
        "instruction": question(n),
        "completions": [*answers, {"response": bad(n), "overall_score": 3, "model": "k"}],
    }


def texts_with_scores(n):
    return {"prompt": question(n), "responses": [bad(n), good(n)], "scores": [1, 2 + n % 4]}


def scores(n):
    first, second = (good(n), bad(n)) if n % 2 else (bad(n), good(n))
    better, worse = (4 + n % 2, 2) if n % 2 else (1, 3)
    return {"prompt": question(n), "answer_a": first, "answer_b": second} | {
        "score_a": better,
        "score_b": worse,
    }


def one_hot(n):
    first, second = (good(n), bad(n)) if n % 2 else (bad(n), good(n))
    wins = {"winner_model_a": n % 2, "winner_model_b": 1 - n % 2, "winner_tie": 0}
    return {"prompt": question(n), "response_a": first, "response_b": second, **wins}


def nested(n):
    pair = {"good": {"text": good(n)}, "poor": {"text": bad(n)}}
    return {"question": {"id": n, "full_text": question(n)}, "answers": pair}


SHAPES = {
    "explicit": (explicit, ""),
    "transcripts": (transcripts, ""),
    "messages": (messages, ""),
    "whole messages": (whole_messages, ""),
    "sharegpt": (sharegpt, ""),
    "a dialogue that ends with the answer": (answered_dialogue, ""),
    "messages written as text": (written_messages, ""),
    "ranked": (ranked, ""),
    "scored list": (scored_list, ""),
    "texts with scores": (texts_with_scores, ""),
    "scores": (scores, ""),
    "one hot": (one_hot, ""),
    "nested": (
        nested,
        "prompt=question.full_text,chosen=answers.good.text,rejected=answers.poor.text",
    ),
}


def read(rows, mapping=""):
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return read_pairs(Source.from_bytes(content, name="x.jsonl"), mapping=parse_map(mapping))


def read_or_asked(rows):
    try:
        return read(rows), None
    except AskedError as error:
        return None, error.question


def told(found):
    """What each pair prefers to what, without the whitespace between prompt and answer."""
    return [(pair.chosen.strip(), pair.rejected.strip()) for pair in found.pairs]


def right(numbers):
    return [(good(n), bad(n)) for n in numbers]


def filled(value, n):
    if isinstance(value, list):
        return [filled(item, n) for item in value]
    return value.format(n=n)


@PATIENT
@given(
    code=st.sampled_from(sorted(CODES)),
    votes=st.lists(st.sampled_from("fst"), min_size=6, max_size=14),
    annotators=st.sampled_from([1, 1, 3]),
)
def test_a_judgement_is_read_as_it_is_meant_or_asked_for(code, votes, annotators):
    meant = dict(zip("fst", CODES[code], strict=True))
    votes = [vote if meant[vote] is not None else "f" for vote in [*votes, "f", "s"]]
    rows = [judged(n, vote, meant[vote]) for n, vote in enumerate(votes)]
    if annotators > 1:
        for row in rows:
            value = row.pop("judgement")
            row |= {f"annotator{number}": value for number in range(1, annotators + 1)}
    expected = right(n for n, vote in enumerate(votes) if vote != "t")
    found, question_asked = read_or_asked(rows)
    if question_asked is None:
        assert told(found) == expected
        return
    offered = [told(read(rows, way.flag())) for way in question_asked.readings]
    assert expected in offered
    assert len(offered) > 1


@PATIENT
@given(
    shape=st.sampled_from(sorted(SHAPES)),
    count=st.integers(4, 9),
    context=st.sets(st.sampled_from(sorted(CONTEXT)), max_size=3),
)
def test_every_shape_keeps_its_answers_apart_and_loses_no_context(shape, count, context):
    make, mapping = SHAPES[shape]
    rows = [make(n) | {name: filled(CONTEXT[name], n) for name in context} for n in range(count)]
    found = read(rows, mapping)
    assert told(found) == right(range(count))
    for n, pair in enumerate(found.pairs):
        assert question(n) in pair.prompt
        assert good(n) not in pair.prompt
        assert bad(n) not in pair.prompt
    report = build_report(found, Settings())
    warnings = [one for one in report["warnings"] if one["kind"] == "unused_context"]
    details = [one["details"].get(str(n + 1), "") for one in warnings for n in range(count)]
    for name in context:
        marker = name.split("_")[0].upper()
        used = all(f"{marker} " in pair.prompt for pair in found.pairs)
        named = bool(details) and all(repr(name) in detail for detail in details)
        assert used or named, name


@PATIENT
@given(
    ratings=st.lists(st.integers(1, 5), min_size=4, max_size=12),
    key=st.sampled_from(["rating", "helpfulness", "score"]),
)
def test_rated_answers_become_pairs_or_are_asked_for(ratings, key):
    rows = [
        {"prompt": question(n // 2), "response": f"Answer {n} of some length.", key: rating}
        for n, rating in enumerate(ratings)
    ]
    found, question_asked = read_or_asked(rows)
    if question_asked is None:
        # One value says nothing of one answer against another.
        assert found.layout.shape == "demonstrations"
        assert len(set(ratings)) == 1
        return
    rated = {row["response"]: row[key] for row in rows}
    for way in question_asked.readings:
        for chosen, rejected in told(read(rows, way.flag())):
            assert rated[chosen] > rated[rejected]


def test_a_constant_judgement_is_never_a_guess():
    rows = [judged(n, "f", 1) for n in range(8)]
    with pytest.raises(AmbiguousError):
        read(rows)
