"""Whatever bytes are brought, reading answers with pairs or its own error, and stays small."""

import gzip
import json
import os
import resource
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drpo.data.io.limits import Limits
from drpo.data.io.source import Source
from drpo.data.loading import read_pairs
from drpo.data.quality.report import Settings, build_report
from drpo.errors import DataError

LIMITS = Limits(file_bytes=1_000_000, text_bytes=2_000_000, rows=2_000, row_chars=20_000)
MEMORY = 80_000_000
"""Far above what a file of these limits needs, far below what a runaway one would take."""
EXAMPLES = int(os.environ.get("DRPO_FUZZ_EXAMPLES", "500"))
"""Of each of the five properties: 2,500 in all."""

BUDGET = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)

ODD_TEXT = st.one_of(
    st.text(max_size=30),
    st.text(alphabet=st.characters(categories=["Cs", "Cc", "Cn"]), max_size=5),
    st.sampled_from(
        [
            "",
            " ",
            "\ud800",
            "\x00",
            "=1+1",
            "\n\nHuman: a\n\nAssistant: b",
            "\ufeff",
            '[{"role": "user"}]',
            "[" * 500,
            "a" * 5000,
            "NaN",
            "1e999",
            "true",
        ]
    ),
)
LEAF = st.one_of(
    ODD_TEXT,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    st.sampled_from([10**30, -0.0, float("inf")]),
)
GRADE = st.one_of(
    st.integers(-3, 7),
    st.floats(0, 1),
    st.sampled_from(["slightly better", "a is much worse", "B>>A", "same", "up", "4", None, "nan"]),
)
"""A degree, a rank, a thumb."""
VALUE = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "type", "text", "x"]),
            inner,
            max_size=3,
        ),
        # Rated answers, and columns inside columns.
        st.lists(
            st.fixed_dictionaries(
                {"answer": inner}, optional={"rank": GRADE, "overall_score": GRADE, "text": inner}
            ),
            max_size=4,
        ),
        st.dictionaries(st.sampled_from(["full_text", "answer", "score"]), inner, max_size=3),
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "prompt",
        "chosen",
        "rejected",
        "question",
        "answer1",
        "answer2",
        "winner",
        "label",
        "score",
        "score_a",
        "score_b",
        "response_a",
        "response_b",
        "conversations",
        "chosen_messages",
        "messages",
        "annotator1",
        "annotator2",
        "facts",
        "margin",
        "gold_chosen",
        "input",
        "instruction",
        "output",
        "answers",
        "completions",
        "responses",
        "scores",
        "rank",
        "rating",
        "helpfulness",
        "overall_preference",
        "preference",
        "annotator",
        "system",
        "history",
    ]
)
ROWS = st.lists(st.dictionaries(NAMES, st.one_of(VALUE, GRADE), max_size=8), min_size=1, max_size=8)
LIKELY = st.fixed_dictionaries(
    {"prompt": ODD_TEXT},
    optional={
        "answers": st.lists(
            st.fixed_dictionaries({"answer": ODD_TEXT, "rank": GRADE}), min_size=2, max_size=4
        ),
        "response_a": ODD_TEXT,
        "response_b": ODD_TEXT,
        "overall_preference": GRADE,
        "response": ODD_TEXT,
        "rating": GRADE,
        "annotator": ODD_TEXT,
        "history": VALUE,
    },
)
"""Rows that are graded, ranked or rated, if it were not for what they hold."""


def peak_memory() -> int:
    """Most memory this process ever held, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def survives(content: bytes, folder: Path) -> None:
    """Read and report, and hold it to what is promised."""
    if content.startswith((b"PAR1", b"ARROW1", b"\xff" * 4)):
        return  # these start a process each; they have tests of their own
    before = peak_memory()
    try:
        loaded = read_pairs(Source.from_bytes(content, name="fuzz", limits=LIMITS))
        report = build_report(loaded, Settings())
    except DataError as error:
        sentence = str(error)
    else:
        sentence = "read"
        json.dumps(report, allow_nan=False, ensure_ascii=False).encode()
        assert report["counts"]["pairs"] == len(loaded.pairs)
        for pair in loaded.pairs:
            assert (pair.prompt + pair.chosen + pair.rejected).encode()
            assert pair.prompt.strip()
            assert pair.chosen.strip() != pair.rejected.strip()
    assert sentence
    assert "\n" not in sentence
    assert len(sentence) < 1_500
    assert peak_memory() - before < MEMORY
    assert list(folder.iterdir()) == []


@BUDGET
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=200).map(lambda b: b"\x1f\x8b\x08" + b),
        st.binary(max_size=200).map(lambda b: b"PK\x03\x04" + b),
        st.text(alphabet='[]{}",:\\\n\t0aeu;|', max_size=200).map(str.encode),
    )
)
def test_random_bytes_never_raise_anything_else(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    survives(content, tmp_path)


@BUDGET
@given(rows=ROWS)
def test_rows_of_any_values_never_raise_anything_else(tmp_path, monkeypatch, rows):
    monkeypatch.chdir(tmp_path)
    survives("".join(json.dumps(row) + "\n" for row in rows).encode(), tmp_path)


@BUDGET
@given(rows=st.lists(LIKELY, min_size=2, max_size=8), times=st.sampled_from([1, 1, 12]))
def test_graded_and_rated_rows_never_raise_anything_else(tmp_path, monkeypatch, rows, times):
    monkeypatch.chdir(tmp_path)
    survives("".join(json.dumps(row) + "\n" for row in rows * times).encode(), tmp_path)


@BUDGET
@given(
    rows=ROWS, cut=st.integers(0, 400), how=st.sampled_from(["json", "gzip", "utf-16", "object"])
)
def test_files_cut_anywhere_never_raise_anything_else(tmp_path, monkeypatch, rows, cut, how):
    monkeypatch.chdir(tmp_path)
    text = json.dumps({"data": rows} if how == "object" else rows, indent=cut % 3)
    content = text.encode("utf-16") if how == "utf-16" else text.encode()
    content = gzip.compress(content, 1) if how == "gzip" else content
    survives(content[: max(1, len(content) - cut)], tmp_path)


@BUDGET
@given(
    rows=st.lists(
        st.fixed_dictionaries({"prompt": ODD_TEXT, "chosen": ODD_TEXT, "rejected": ODD_TEXT}),
        min_size=1,
        max_size=8,
    ),
    flips=st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=4),
    times=st.sampled_from([1, 1, 1, 40]),
)
def test_damaged_pairs_never_raise_anything_else(tmp_path, monkeypatch, rows, flips, times):
    monkeypatch.chdir(tmp_path)
    content = bytearray("".join(json.dumps(row) + "\n" for row in rows).encode() * times)
    for place, value in flips:
        content[place % len(content)] = value
    survives(bytes(content), tmp_path)
