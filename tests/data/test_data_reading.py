"""Broken, lying and oversized files end in one sentence that names the place."""

import gzip
import io
import json
import time
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drpo.data.io.limits import Limits, UnreadableError
from drpo.data.io.readers import detect_format, read_rows
from drpo.data.io.source import Source
from drpo.data.loading import read_pairs
from drpo.data.pairset import PairSet

ROW = {"prompt": "Q:", "chosen": " yes", "rejected": " no"}
LINE = json.dumps(ROW).encode() + b"\n"


def read(content: bytes, name: str = "f", **limits: int) -> PairSet:
    return read_pairs(Source.from_bytes(content, name=name, limits=Limits(**limits)))


def zipped(**files: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            # Without a date of now, so that the same content is the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return sink.getvalue()


def parquet(table: pa.Table, compression: str = "snappy") -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression=compression)
    return sink.getvalue()


def csv_bytes(encoding: str = "utf-8") -> bytes:
    return 'prompt,chosen,rejected\n"東京は\nどこ？",日本です,アメリカです\n'.encode(encoding)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (LINE, "JSON Lines"),
        (b"\n" + LINE + b"\n\n" + LINE, "JSON Lines"),
        (json.dumps([ROW]).encode(), "JSON"),
        (json.dumps([ROW], indent=2).encode(), "JSON"),
        (json.dumps({"version": 1, "data": [ROW]}).encode(), "JSON"),
        (json.dumps({"data": [ROW], "tags": ["x"]}, indent=1).encode(), "JSON"),
        (b"prompt,chosen,rejected\nQ:, yes, no\n", "CSV"),
        (b"prompt;chosen;rejected\r\nQ:; yes; no\r\n", "CSV"),
        (b"prompt\tchosen\trejected\nQ:\t yes\t no\n", "TSV"),
        (parquet(pa.table({k: [v] for k, v in ROW.items()})), "Parquet"),
    ],
)
@pytest.mark.parametrize("pack", [lambda b: b, gzip.compress, lambda b: zipped(inner=b)])
def test_every_format_is_told_by_content_alone_packed_or_not(content, kind, pack):
    found = read(pack(content), name="no-ending")
    assert found.format.startswith(kind)
    first = found.pairs[0]
    assert (first.prompt, first.chosen, first.rejected) == ("Q:", " yes", " no")


@pytest.mark.parametrize("make", [pa.ipc.new_file, pa.ipc.new_stream])
def test_arrow_files_and_streams_are_read(make):
    table = pa.table({k: [v, v] for k, v in ROW.items()})
    sink = io.BytesIO()
    with make(sink, table.schema) as writer:
        writer.write_table(table)
    assert read(sink.getvalue()).rows == 2


def test_a_one_line_json_lines_file_of_messages_is_not_taken_for_an_object_with_rows():
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A"}]
    other = [talk[0], {"role": "assistant", "content": "B"}]
    assert len(read(json.dumps({"chosen": talk, "rejected": other}).encode())) == 1


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "byte-order mark"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("cp932", "Shift-JIS"),
    ],
)
def test_encodings_are_detected_and_said(encoding, said):
    content = (
        csv_bytes(encoding)
        if encoding != "utf-16-le"
        else (b"prompt,chosen,rejected\nQ:, yes, no\n".decode().encode(encoding))
    )
    found = read(content)
    assert said in found.format
    assert len(found) == 1


def test_a_multi_line_cell_stays_one_cell():
    assert read(csv_bytes()).pairs[0].prompt == "東京は\nどこ？\n\n"


def test_an_empty_first_header_gets_a_name_of_its_own():
    assert len(read(b",prompt,chosen,rejected\n0,Q:, yes, no\n")) == 1


def test_bad_lines_are_named_by_their_line_number_and_the_rest_is_read():
    found = read(LINE + b"\n" + b'{"prompt": "x",\n' + b"[1]\n" + LINE)
    assert found.problems.rows("unparseable") == [3, 4]
    assert "an array" in str(found.problems.detail("unparseable", 4))
    assert [pair.row for pair in found.pairs] == [1, 5]


def test_nan_in_a_row_is_a_missing_value_not_an_error():
    assert len(read(LINE.replace(b"}", b', "margin": NaN}'))) == 1


def test_rows_of_a_table_with_too_few_cells_are_named():
    found = read(b"prompt,chosen,rejected\nQ:, yes, no\nQ:, yes\n")
    assert found.problems.rows("unparseable") == [2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"   \n \n", "only blank lines"),
        (b"just words\n", "Expected"),
        (b"\x00\x01\x02\x03binary", "no accepted format"),
        # A time of writing would be part of the test's name, and differ between two test runners.
        (gzip.compress(LINE * 50, mtime=0)[:-12], "cut off"),
        (gzip.compress(LINE * 5000, mtime=0)[:300], "cut off"),
        (b"\x1f\x8b" + b"junk" * 20, "gzip data break"),
        (zipped(a=LINE, b=LINE), "2 files"),
        (zipped(a=LINE)[:-30], "broken, encrypted or cut off"),
        (json.dumps([ROW] * 3).encode()[:-30], "cut off"),
        (b'[{"prompt": "a"} {"prompt": "b"}]', "expected ',' at character 18"),
        (b'[{"prompt": "Q:", "chosen": "a", "rejected": "b"}] more', "after the end"),
        (b'{"a": [{"x": 1}],\n"b": [{"x": 1}]}', "two arrays"),
        (b'{\n"name": "x"\n}', "without an array"),
        (b"{bad\n" * 3, "not valid JSON"),
        (b'{"prompt": 1,\n{"prompt": 2,\n', "no row could be read"),
        (b'prompt,chosen,rejected\nQ:,"never closed, no\n' + b"more\n" * 9, "never closes"),
        ("prompt,chosen\nfür,y\n".encode("latin-1"), "line 2"),
        ("prompt,chosen,rejected\n日本,a,b".encode()[:-6], "cut off in the middle of a character"),
        (b"PAR1" + b"\x00" * 40 + b"PAR1", "cannot be decoded"),
        (b"ARROW1\x00\x00" + b"\x01" * 40, "cannot be decoded"),
        (parquet(pa.table({k: [v] for k, v in ROW.items()}))[:-20], "cannot be decoded"),
    ],
)
def test_a_broken_file_ends_in_one_short_line_that_says_where(content, words):
    with pytest.raises(UnreadableError) as caught:
        read(content)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert len(message) < 400


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UnreadableError, match="no such file"):
        Source.from_path(tmp_path / "none.jsonl")
    with pytest.raises(UnreadableError, match="not a plain file"):
        Source.from_path(tmp_path)


def test_a_decompression_bomb_is_stopped_by_its_ratio_and_by_its_size():
    bomb = gzip.compress(b" " * 30_000_000)
    with pytest.raises(UnreadableError, match="times its size"):
        read(bomb)
    with pytest.raises(UnreadableError, match="unpacks to more than 1 MB"):
        read(gzip.compress(LINE * 40_000), text_bytes=1_000_000)


def test_a_zip_whose_directory_understates_the_size_is_still_bounded():
    content = bytearray(zipped(a=b" " * 30_000_000))
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    with pytest.raises(UnreadableError):
        read(bytes(content))


def test_parquet_that_decodes_to_far_more_than_it_says_is_stopped():
    repeated = {"prompt": ["a" * 40_000] * 900, "chosen": ["x"] * 900, "rejected": ["y"] * 900}
    content = parquet(pa.table(repeated), "zstd")
    assert len(content) < 10_000
    with pytest.raises(UnreadableError, match="whatever its metadata say"):
        read(content, text_bytes=20_000_000)


def test_a_single_huge_parquet_page_cannot_take_the_memory():
    page = {"prompt": ["a" * 60_000_000], "chosen": ["x"], "rejected": ["y"]}
    content = parquet(pa.table(page), "zstd")
    with pytest.raises(UnreadableError, match=r"needs more memory|cannot be decoded"):
        read(content, decode_bytes=30_000_000)


def test_too_many_rows_too_long_lines_and_too_large_files_are_refused():
    with pytest.raises(UnreadableError, match="more than 3 rows"):
        read(LINE * 4, rows=3)
    with pytest.raises(UnreadableError, match="at most"):
        read(LINE * 4, file_bytes=10)
    found = read(LINE + b'{"prompt": "' + b"x" * 500 + b'"}\n' + LINE, row_chars=200)
    assert found.problems.rows("unparseable") == [2]
    with pytest.raises(UnreadableError, match="one row has more than 200"):
        read(b'[{"prompt": "' + b"x" * 200_000 + b'"}]', row_chars=200)
    with pytest.raises(UnreadableError, match="over 200 characters"):
        read(b"prompt,chosen,rejected\nQ," + b"x" * 500 + b",y\n", row_chars=200)


def test_deep_nesting_is_a_problem_of_its_row():
    deep = b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    found = read(LINE + deep + LINE)
    assert found.problems.rows("unparseable") == [2]
    with pytest.raises(UnreadableError, match="nested too deeply"):
        read(b"[" + b"[" * 100_000 + b"]" * 100_000 + b"]")


def test_a_hostile_name_is_shown_on_one_line_and_never_opened():
    content = b""
    with pytest.raises(UnreadableError) as caught:
        Source.from_bytes(content, name="../../etc/pa\nsswd\x1b[31m;$(x)<b>.jsonl")
    assert str(caught.value).startswith("pa?sswd?[31m;$(x)<b>.jsonl is empty")


def test_json_elements_cut_by_every_chunk_border_are_put_together(monkeypatch):
    monkeypatch.setattr("drpo.data.io.json_stream.CHUNK_CHARS", 7)
    rows = [{"n": 12345, "text": 'a "quoted" \\ \u3042 word', "deep": {"x": [1.5e3, None]}}] * 5
    source = Source.from_bytes(json.dumps(rows).encode(), name="f")
    assert [row.value for row in read_rows(source, detect_format(source))] == rows


def test_a_source_can_be_read_again_and_its_file_is_closed(tmp_path: Path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(LINE * 3))
    source = Source.from_path(path)
    assert [read_pairs(source).rows for _ in range(2)] == [3, 3]


@pytest.mark.parametrize("kind", ["xlsx", "xls"])
def test_a_workbook_says_what_it_is(kind):
    content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    if kind == "xlsx":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("[Content_Types].xml", "<Types/>")
            archive.writestr("xl/workbook.xml", "<workbook/>")
        content = packed.getvalue()
    with pytest.raises(UnreadableError, match=r"workbook of Excel.*as CSV"):
        detect_format(Source.from_bytes(content, name=f"pairs.{kind}"))


@pytest.mark.parametrize("kind", ["csv", "csv all alike", "jsonl"])
def test_two_hundred_thousand_columns_are_refused_at_once(kind):
    names = [f"c{index % 3 if kind == 'csv all alike' else index}" for index in range(200_000)]
    if kind == "jsonl":
        content = json.dumps(dict.fromkeys(names, "x")).encode() + b"\n"
    else:
        row = ",".join("x" * len(names))
        content = f"{','.join(names)}\n{row}\n".encode()
    began = time.process_time()
    with pytest.raises(UnreadableError, match="200,000 columns, at most 2,000"):
        read(content, f"f.{kind}")
    # Quadratic in the names it took minutes.
    assert time.process_time() - began < 10


def test_columns_of_one_name_are_told_apart_even_from_such_names():
    found = read(b"prompt,chosen,rejected,x,x,x (5)\np, a, b,1,2,3\n")
    assert found.columns == ["prompt", "chosen", "rejected", "x", "x (5)", "x (5) (6)"]
