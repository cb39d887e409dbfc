"""A file or folder is the old one, the new one, or not there; never a half."""

import os
import sqlite3
import threading

import pytest
from safetensors import SafetensorError

from drpo.files import (
    disk_is_full,
    last_lines,
    read_json,
    restore_replaced,
    whole_file,
    whole_folder,
    write_json,
    write_whole,
)


def break_off(lent, write):
    """Begin to write and fail."""
    with lent as beside:
        write(beside)
        raise ZeroDivisionError


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_takes_its_place_when_it_is_whole(tmp_path, durable):
    path = tmp_path / "figures.txt"
    path.write_text("old", encoding="utf-8")
    with whole_file(path, durable=durable) as beside:
        beside.write_text("new", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
    assert path.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "figures.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        break_off(whole_file(path), lambda beside: beside.write_text("half", encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_os_error_and_is_not_made(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        write_whole(tmp_path / "nowhere" / "file.txt", "text")
    assert list(tmp_path.iterdir()) == []


def test_readers_see_whole_documents_while_several_threads_write_them(tmp_path):
    path = tmp_path / "progress.json"
    documents = [{"n": n, "filler": str(n) * 20_000} for n in range(4)]
    write_json(path, documents[0])
    ended = threading.Event()

    def write(document):
        while not ended.is_set():
            write_json(path, document)

    writers = [threading.Thread(target=write, args=(document,)) for document in documents]
    for writer in writers:
        writer.start()
    seen = [read_json(path) for _ in range(300)]
    ended.set()
    for writer in writers:
        writer.join()
    assert all(document in documents for document in seen)


def test_what_is_no_document_reads_as_an_empty_one(tmp_path):
    assert read_json(tmp_path / "missing.json") == {}
    for text in ("", "{", "[1]", "3"):
        (tmp_path / "other.json").write_text(text, encoding="utf-8")
        assert read_json(tmp_path / "other.json") == {}


@pytest.mark.parametrize("durable", [False, True])
def test_a_folder_is_replaced_whole_and_a_killed_writer_s_half_goes(tmp_path, durable):
    folder = tmp_path / "deep" / "model"
    folder.mkdir(parents=True)
    (folder / "old").write_text("old", encoding="utf-8")
    half = folder.with_name(".model.part")
    half.mkdir()
    (half / "half").touch()
    with whole_folder(folder, durable=durable) as beside:
        assert list(beside.iterdir()) == []
        (beside / "sub").mkdir()
        (beside / "sub" / "new").write_text("new", encoding="utf-8")
        assert (folder / "old").is_file()
    assert [path.name for path in folder.rglob("*")] == ["sub", "new"]
    assert list(folder.parent.iterdir()) == [folder]


def test_an_error_leaves_the_old_folder_alone(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(ZeroDivisionError):
        break_off(whole_folder(folder), lambda beside: (beside / "half").touch())
    assert list(tmp_path.rglob("*")) == [folder]


def test_a_folder_whose_replacement_never_came_gets_its_name_back(tmp_path):
    lost, replaced = tmp_path / ".lost.old", tmp_path / ".kept.old"
    lost.mkdir()
    replaced.mkdir()
    (tmp_path / "kept").mkdir()
    restore_replaced(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".kept.old", "kept", "lost"]


def fill_a_database(folder):
    with sqlite3.connect(folder / "small.sqlite") as database:
        database.execute("pragma max_page_count = 3")
        database.execute("create table texts (text)")
        for _ in range(100):
            database.execute("insert into texts values (?)", ("x" * 1000,))


def test_a_full_disk_is_known_whoever_says_so(tmp_path):
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left") as plain:
        os.write(full, b"x")
    os.close(full)
    with pytest.raises(sqlite3.OperationalError) as database:
        fill_a_database(tmp_path)
    safetensors = SafetensorError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    )
    torch_says = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576")
    wrapped = ValueError("could not be saved")
    wrapped.__cause__ = plain.value
    for error in (plain.value, database.value, safetensors, torch_says, wrapped):
        assert disk_is_full(error), error
    for error in (FileNotFoundError("x"), sqlite3.OperationalError("database is locked")):
        assert not disk_is_full(error), error


def test_the_log_ends_with_whole_lines(tmp_path):
    log = tmp_path / "worker.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    shown = last_lines(log, 100)
    assert shown.endswith("line 999\n")
    assert shown.startswith("line 9")
    assert len(shown) <= 100
    assert last_lines(log, 10**6).startswith("line 0\n")
