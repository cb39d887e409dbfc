"""The commands show, export and report what version 0.1.0 left behind, of every method."""

import hashlib
import json

import pytest
from old_workspace import MADE_IN, OldWorkspace
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from drpo.cli import main
from drpo.i18n import t

METHODS = {
    "first-look-95dc4c": "drpo",
    "straight-d9d2d0": "drpo",
    "k3-22ef02": "drpo",
    "ppo-bd1e35": "ppo",
    "dpo-9a851e": "dpo",
    "sft-69a56c": "sft",
    "reward-model-a9b2e6": "rm",
    "resets-or-not-607a-baf0c756-s0": "drpo",
    "colours-a-trial-plain-0-278cfa": "drpo",
}
"""Finished runs, and what trained them."""
WITHOUT_ANSWERS = {"reward-model-a9b2e6", "failed-629689", "queued-56fed1", "queued-bare-e84214"}


def call(capsys, *words):
    """Run a command in this process; what it printed."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    out, err = capsys.readouterr()
    assert ended.value.code == 0, err
    return out


def listed(old: OldWorkspace):
    return [run_id for run_id, run in old.figures["runs"].items() if not run["deleted"]]


def test_the_runs_are_listed_with_their_figures(old, capsys):
    told = json.loads(call(capsys, "runs", "--archived", "--json"))
    expected = old.figures["runs"]
    assert {run["run"] for run in told} == set(listed(old))
    for run in told:
        said = expected[run["run"]]
        assert (run["method"], run["status"]) == (said["method"], said["status"])
        assert (run["updates"], run["first"], run["last"]) == tuple(
            said[name] for name in ("step", "first", "last")
        )
    table = call(capsys, "runs")
    assert sum(run_id in table for run_id in expected) == old.figures["runs_listed"]


def test_every_run_is_shown_in_words_and_as_a_document(old, capsys):
    for run_id in listed(old):
        assert call(capsys, "show", run_id).startswith(f"{run_id}: ")
        told = json.loads(call(capsys, "show", run_id, "--json"))
        said = old.figures["runs"][run_id]
        assert told["knobs"] == said["knobs"]
        assert len(told["events"]) == sum(said["events"].values())
    told = call(capsys, "show", "first-look-95dc4c")
    assert "kl_coef from 0.10 to 0.30 (Ann)" in told
    assert "Go on as it is (Ben)" in told


def test_every_runs_answers_are_shown(old, capsys):
    for run_id in set(listed(old)) - WITHOUT_ANSWERS:
        assert call(capsys, "samples", run_id).count("--- item") == 8
    told = json.loads(call(capsys, "samples", "first-look", "--kind", "episode", "--json"))
    assert {one["start"] for one in told["samples"]} <= {"prompt", "reset"}
    assert told["steps"] == list(range(1, 9))


@pytest.mark.parametrize("run_id", METHODS)
def test_a_finished_run_is_exported(old, capsys, tmp_path, run_id):
    out = tmp_path / "out"
    call(capsys, "export", run_id, str(out))
    kind = AutoModelForCausalLM
    if METHODS[run_id] == "rm":
        kind = AutoModelForSequenceClassification
    assert kind.from_pretrained(out).config.hidden_size == 4
    assert AutoTokenizer.from_pretrained(out)("red").input_ids
    record = json.loads((out / "drpo_run.json").read_text(encoding="utf-8"))
    said = old.figures["runs"][run_id]
    assert (record["run"], record["knobs"]) == (run_id, said["knobs"])
    assert (record["first"], record["last"]) == (said["first"], said["last"])
    if run_id == old.straight["run"]:
        for name, digest in old.straight["sha256"].items():
            assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest, name
    if run_id == "k3-22ef02":
        assert record["config"]["earlier"]["kl_estimator"] == "k3"


def test_an_adapter_is_exported_merged_where_its_start_policy_lies_now(old_copy, capsys, tmp_path):
    """PEFT writes where the start policy lay; who moves a workspace says where it lies."""
    for file in old_copy.files("runs/lora-6bf5c6/checkpoints/*/policy/adapter_config.json"):
        written = file.read_text(encoding="utf-8")
        assert MADE_IN in written
        file.write_text(written.replace(MADE_IN, str(old_copy.root)), encoding="utf-8")
    merged, start = tmp_path / "merged", old_copy.root / "models" / "policy"
    call(capsys, "export", "lora-6bf5c6", str(merged))
    assert not (merged / "adapter_config.json").exists()
    ours, before = (
        AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in (merged, start)
    )
    moved = {name for name, weight in before.items() if not weight.equal(ours[name])}
    assert moved
    assert all("proj" in name for name in moved)


@pytest.mark.parametrize(("lang", "suffix"), [("en", "html"), ("ja", "md")])
def test_every_run_is_reported_on(old, capsys, tmp_path, lang, suffix):
    for run_id in listed(old):
        file = tmp_path / f"{run_id}.{suffix}"
        call(capsys, "report", run_id, str(file), "--lang", lang)
        told = file.read_text(encoding="utf-8")
        assert run_id in told
        # Each report opens with the status, in its language.
        status = old.figures["runs"][run_id]["status"]
        assert t(f"live.status_{status}", lang=lang) in told
        if run_id == "k3-22ef02" and suffix == "md":
            assert "| kl\\_estimator | k3 |" in told
    both = tmp_path / f"both.{suffix}"
    call(capsys, "report", "first-look-95dc4c", "k3-22ef02", str(both), "--lang", lang)
    assert "k3-22ef02" in both.read_text(encoding="utf-8")


def test_the_data_sets_and_the_sweep_are_shown(old, capsys, tmp_path):
    told = json.loads(call(capsys, "data", "list", "--json"))
    assert {one["content_hash"] for one in told} == {
        one["content_hash"] for one in old.figures["datasets"]
    }
    assert "shared pairs: 19" in call(capsys, "data", "compare", "colours:1", "colours:2")
    out = tmp_path / "colours.jsonl"
    call(capsys, "data", "export", "colours:1", str(out))
    assert len(out.read_text(encoding="utf-8").splitlines()) == 22
    board = json.loads(call(capsys, "sweep", "show", "resets-or-not-607a", "--json"))
    assert [cell["cell"] for cell in board["cells"]] == ["13740f7a", "baf0c756"]
