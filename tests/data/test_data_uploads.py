"""Uploads are checked, corrected and saved in processes of their own, and the screen follows."""

import json
import time

import pytest
from screens import visit

from drpo.dashboard import client
from drpo.data import Pair, load_pairs
from drpo.data.library.uploads import Uploads
from drpo.data.library.versions import save_version
from drpo.errors import DataError


def pairs(count):
    """Pairs with a short answer each, but for every fourth."""
    return [
        {
            "prompt": f"prompt {n}:",
            "chosen": f" good {n}" * (1 if n % 4 else 10),
            "rejected": f" bad {n}",
        }
        for n in range(count)
    ]


def file_of(rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def finish(uploads: Uploads, upload: str, task, seconds: float = 120):
    until = time.monotonic() + seconds
    while uploads.status(upload, task).state == "running" and time.monotonic() < until:
        time.sleep(0.05)
    return uploads.status(upload, task)


def test_the_desk_checks_corrects_and_saves_in_processes_of_their_own(store):
    uploads = Uploads()
    rows = [
        {"p": f"prompt {n}", "answer_a": f"x{n}", "answer_b": f"y{n}", "label": n % 2}
        for n in range(8)
    ]
    upload = uploads.add("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    uploads.start(upload, "check", {})
    status = finish(uploads, upload, "check")
    assert (status.state, status.kind) == ("failed", "ambiguous")
    assert uploads.columns(upload) == ["p", "answer_a", "answer_b", "label"]
    parts = {"prompt": "p", "first_is": "1", "second_is": "0"}
    uploads.start(upload, "check", {"parts": parts})
    assert finish(uploads, upload, "check").state == "done"
    assert Uploads().report(upload)["counts"]["pairs"] == 8, "another process sees the same"
    recipe = {"exclude": [], "contradictions": "keep", "repeats": "exact"}
    uploads.start(upload, "save", {"parts": parts, "recipe": recipe, "name": "from desk"})
    assert finish(uploads, upload, "save").state == "done"
    assert load_pairs("from desk", store=store).pairs[0].chosen == "y0"


@pytest.mark.usefixtures("store")
def test_a_stopped_task_leaves_no_result():
    uploads = Uploads()
    upload = uploads.add("a.jsonl", file_of(pairs(6)))
    uploads.start(upload, "check", {})
    uploads.stop(upload, "check")
    assert uploads.status(upload, "check").state == "stopped"
    assert uploads.report(upload) == {}


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("upload", ["../../etc", "", "x" * 16, "0" * 16])
def test_an_uploads_id_from_the_url_cannot_name_another_folder(upload):
    assert not Uploads().exists(upload)
    with pytest.raises(DataError, match="no longer here"):
        Uploads().status(upload, "check")


def checked(rows, **options):
    """Uploads, one of which was checked."""
    uploads = Uploads()
    upload = uploads.add("a.jsonl", file_of(rows))
    uploads.start(upload, "check", options)
    assert finish(uploads, upload, "check").state == "done"
    return uploads, upload


def measure(uploads, upload, model):
    """Measure coverage as the screen does: with the model and its limits."""
    asked = {
        **uploads.options(upload, "check"),
        "model": str(model),
        "max_prompt_length": 512,
        "response_length": 53,
    }
    uploads.start(upload, "coverage", asked)
    assert finish(uploads, upload, "coverage").state == "done"


@pytest.mark.usefixtures("store")
def test_a_check_after_coverage_was_measured_is_what_is_reported(model_folder):
    uploads, upload = checked(pairs(8))
    measure(uploads, upload, model_folder())
    report = uploads.report(upload)
    assert (report["coverage"]["measured"], report["lengths"]["unit"]) == (8, "tokens")
    swapped = {"prompt": "prompt", "chosen": "rejected", "rejected": "chosen"}
    uploads.start(upload, "check", {**uploads.report_options(upload), "parts": swapped})
    assert finish(uploads, upload, "check").state == "done"
    report = uploads.report(upload)
    assert report["recognised"]["layout"]["chosen"] == "rejected"
    assert report["coverage"] is None
    assert report["lengths"]["unit"] == "tokens", "the model of the last report still counts"
    assert uploads.status(upload, "coverage").state == "none"


@pytest.mark.usefixtures("store")
def test_the_shape_that_was_chosen_by_hand_is_still_chosen_at_the_next_correction():
    uploads, upload = checked(pairs(8))
    app = visit("data", upload=upload)
    app.selectbox(key="map_shape").set_value("answers")
    app.button(key="map_apply").click().run()
    finish(client.data.uploads(), upload, "check")
    app.run()
    assert not app.exception
    assert app.selectbox(key="map_shape").value == "answers"
    app.button(key="map_apply").click().run()
    assert uploads.options(upload, "check")["shape"] == "answers"
    finish(client.data.uploads(), upload, "check")


def test_answers_that_only_a_model_finds_too_long_are_left_out_when_asked(store, model_folder):
    uploads, upload = checked(pairs(8))
    measure(uploads, upload, model_folder())
    app = visit("data", upload=upload)
    assert not app.exception
    app.multiselect(key="save_exclude").set_value(["long_answer"])
    app.text_input(key="save_name").set_value("short ones")
    app.button(key="save_go").click().run()
    assert not app.exception
    assert finish(client.data.uploads(), upload, "save").state == "done"
    assert uploads.result(upload, "save")["left_out"] == {"long_answer": 2, "duplicate": 0}
    assert [len(pair.chosen) for pair in load_pairs("short ones", store=store)] == [7] * 6


def test_a_saved_version_comes_with_a_report_on_its_own_pairs(store):
    rows = pairs(12)
    uploads, upload = checked([*rows, *rows[:3], {**rows[0], "prompt": ""}])
    before = uploads.report(upload)
    assert [entry["kind"] for entry in before["blockers"]] == ["empty_prompt"]
    recipe = {"exclude": [], "contradictions": "keep", "repeats": "exact"}
    uploads.start(upload, "save", {"recipe": recipe, "name": "clean"})
    assert finish(uploads, upload, "save").state == "done"
    [version] = store.datasets.all()
    found = version.report
    assert (found["counts"]["rows"], found["counts"]["pairs"]) == (12, 12)
    assert found["content_hash"] == version.content_hash
    assert found["duplicates"]["exact"] == 0
    named = {entry["kind"] for entry in (*found["blockers"], *found["warnings"])}
    assert not named & {"duplicate", "empty_prompt"}
    assert found["file"] == before["file"], "it still says where the pairs came from"


def test_a_tick_on_a_saved_set_does_not_move_to_a_newer_one(store):
    some = [Pair(f"prompt {n}:", f" good {n}", f" bad {n}") for n in range(3)]
    save_version(store, some, "older")
    app = visit("data")
    [table] = [frame.key for frame in app.dataframe if (frame.key or "").startswith("data_vers")]
    app.session_state[table] = {"selection": {"rows": [0]}}
    app.run()
    assert not app.exception
    assert "older:1" in [text.value for text in app.text]
    save_version(store, some, "newer")
    app.run()
    assert not app.exception
    said = [text.value for text in app.text]
    assert "newer:1" not in said, "the newest comes first and now stands where the tick was"
    assert not [button for button in app.button if button.key == "data_delete"]
