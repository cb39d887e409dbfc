"""Uploads are checked, corrected and saved in processes of their own, and the screen follows."""

import json
import time

import pytest
from screens import visit

from drpo.dashboard import client
from drpo.data import Pair, load_pairs
from drpo.data.library import uploads as uploads_module
from drpo.data.library.uploads import Uploads
from drpo.data.library.versions import load_version, save_version
from drpo.data.quality.report import Settings, build_report
from drpo.errors import DataError, LimitError


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


KEEP = {"exclude": [], "contradictions": "keep", "repeats": "exact"}


def save(uploads, upload, **options):
    """Save with the options of the last check, and others; what the job's log says it did."""
    asked = {**uploads.report_options(upload), "recipe": KEEP, "name": "saved", **options}
    uploads.start(upload, "save", asked)
    assert finish(uploads, upload, "save").state == "done"
    return done(uploads, upload, "save")


def done(uploads, upload, task):
    """What a job did anew, by its log: `reading` the file, `reporting` on its pairs."""
    log = (uploads.folder / upload / task / "log.txt").read_text(encoding="utf-8")
    return [word for word in ("reading", "reporting") if f" {word} " in log]


def test_saving_neither_reads_nor_reports_again_where_every_row_stays(store):
    uploads, upload = checked(pairs(12))
    assert done(uploads, upload, "check") == ["reading", "reporting"]
    assert save(uploads, upload) == []
    [version] = store.datasets.all()
    again = build_report(load_version(version), Settings())
    told_apart = ("file", "recognised", "preview", "seconds")
    assert {k: v for k, v in version.report.items() if k not in told_apart} == {
        k: v for k, v in json.loads(json.dumps(again)).items() if k not in told_apart
    }


def test_a_recipe_goes_by_the_problems_that_the_check_left(store):
    rows = pairs(12)
    speaks = {**rows[1], "chosen": " yes\n\nHuman: no", "prompt": "another:"}
    uploads, upload = checked([*rows, rows[0], speaks])
    assert save(uploads, upload, recipe={**KEEP, "exclude": ["role_label"]}) == []
    assert uploads.result(upload, "save")["left_out"] == {"role_label": 1, "duplicate": 1}
    assert [pair.prompt for pair in load_pairs("saved", store=store)] == [
        row["prompt"] for row in rows
    ]


def test_what_only_reading_finds_stands_in_the_report_of_what_was_saved(store):
    rows = pairs(12)
    speaks = {**rows[1], "chosen": " yes\n\nHuman: no", "prompt": "another:"}
    uploads, upload = checked([*rows, rows[0], speaks])
    save(uploads, upload)
    [version] = store.datasets.all()
    assert version.report["counts"]["pairs"] == 13
    named = {entry["kind"]: entry["rows"] for entry in version.report["warnings"]}
    assert named["role_label"] == [14]
    assert "duplicate" not in named


def test_another_mapping_than_the_check_s_is_read_anew(store):
    uploads, upload = checked(pairs(6))
    swapped = {"prompt": "prompt", "chosen": "rejected", "rejected": "chosen"}
    assert save(uploads, upload, parts=swapped) == ["reading", "reporting"]
    assert load_pairs("saved", store=store).pairs[1].chosen == " bad 1"
    assert save(uploads, upload) == ["reading", "reporting"], "the kept pairs are the swapped ones"
    assert load_pairs("saved", store=store).pairs[1].chosen == " good 1"


def test_a_file_that_changed_after_its_check_is_read_anew(store, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(file_of(pairs(6)))
    uploads = Uploads()
    upload = uploads.add_file(path)
    uploads.start(upload, "check", {})
    assert finish(uploads, upload, "check").state == "done"
    path.write_bytes(file_of(pairs(7)))
    assert save(uploads, upload) == ["reading", "reporting"]
    assert len(load_pairs("saved", store=store)) == 7


def test_another_model_reports_anew_on_the_pairs_that_were_read(store, model_folder):
    uploads, upload = checked(pairs(8))
    limits = {"model": str(model_folder()), "max_prompt_length": 512, "response_length": 53}
    assert save(uploads, upload, **limits, recipe={**KEEP, "exclude": ["long_answer"]}) == [
        "reporting"
    ]
    assert len(load_pairs("saved", store=store)) == 6


def test_coverage_uses_the_pairs_of_the_check_and_saving_uses_its_problems(store, model_folder):
    uploads, upload = checked(pairs(8))
    measure(uploads, upload, model_folder())
    assert done(uploads, upload, "coverage") == ["reporting"]
    assert save(uploads, upload, recipe={**KEEP, "exclude": ["long_answer"]}) == []
    assert len(load_pairs("saved", store=store)) == 6
    [version] = store.datasets.all()
    assert version.report["coverage"] is None


@pytest.mark.parametrize("name", ["pairs.jsonl", "report.json"])
@pytest.mark.parametrize("harm", ["cut", "empty", "gone", "other"])
def test_what_was_damaged_beside_an_upload_is_made_anew(store, name, harm):
    uploads, upload = checked(pairs(6))
    kept = uploads.folder / upload / name
    content = kept.read_bytes()
    if harm == "gone":
        kept.unlink()
    elif harm == "other":
        kept.write_bytes(content.replace(b"good 5", b"evil 5").replace(b'"problems"', b'"p"'))
    else:
        kept.write_bytes(content[: len(content) // 2] if harm == "cut" else b"")
    anew = "reading" if name == "pairs.jsonl" else "reporting"
    assert save(uploads, upload) == [anew]
    assert [pair.chosen for pair in load_pairs("saved", store=store)] == [
        row["chosen"] for row in pairs(6)
    ]


def test_uploads_have_a_quota_in_common(monkeypatch, tmp_path):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    monkeypatch.setenv("DRPO_UPLOADS_MB", "1")
    uploads = Uploads()
    uploads.add("a.jsonl", b"x" * 600_000)
    with pytest.raises(LimitError, match="Uploads take 1 of 1 MB"):
        uploads.add("b.jsonl", b"x" * 600_000)
    monkeypatch.setenv("DRPO_UPLOADS_MB", "2")
    uploads.add("b.jsonl", b"x" * 600_000)


def test_an_upload_leaves_room_for_runs_to_save(monkeypatch, tmp_path):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    monkeypatch.setattr(uploads_module, "FREE_BYTES", 2**62)
    with pytest.raises(LimitError, match="which runs need to save"):
        Uploads().add("a.jsonl", b"x")
