"""Commands speak the language of DRPO_LANG; their JSON is the same in every language."""

import json
import re
import unicodedata

import pytest
import screen_material

from drpo.alarms.alarms import Alarm
from drpo.alarms.handler import write_down
from drpo.cli import main
from drpo.config.run_config import RunConfig
from drpo.sweep import Axis, SweepPlan, create
from drpo.system import control


@pytest.fixture
def run(store):
    """A run at which something happened, and an alarm stored by another version."""
    made = screen_material.add_run(store, "mine", updates=10, upto=5, status="running")
    control.pause(store, made.id, "command line")
    write_down(store, made.id, Alarm("kl_budget", 3, 3, 1, {"kl": 12.0, "budget": 10.0}))
    old = Alarm("too_warm", 4, 4, 1, {}).to_payload()
    store.events.add(made.id, 4, "alarm", "暑すぎます。", old, "monitor")
    base = RunConfig.of(data="x", policy="y")
    axis = Axis(name="kl_coef", values=(0.1, 0.2))
    create(store, SweepPlan.of(base, axes=(axis,)), "broad")
    return made


@pytest.fixture
def pairs(tmp_path):
    rows = [{"prompt": f"What is {n}?", "chosen": f" {n}.", "rejected": " ?"} for n in range(9)]
    rows.append({"prompt": "p", "chosen": "", "rejected": "x"})
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def said(capsys, *words):
    with pytest.raises(SystemExit):
        main(list(words))
    return capsys.readouterr().out


def english(text):
    """Two words of Latin letters in a row, without what is a name or comes from a file."""
    kept = re.sub(r"`[^`]*`|\S*(?:drpo|DR-PO)\S*|'[^']*'", "", text)
    return re.findall(r"[A-Za-z]{2,} [a-z]{2,}", kept)


def words_of(run, pairs):
    return {
        "runs": ["runs"],
        "show": ["show", run.id],
        "set": ["set", run.id, "kl_coef=0.3"],
        "sweeps": ["sweep", "list"],
        "sweep": ["sweep", "show", "broad"],
        "import": ["data", "import", str(pairs), "mine"],
        "data": ["data", "list"],
        "delete": ["data", "delete", "mine"],
    }


def test_what_commands_print_is_japanese_when_that_is_asked_for(run, pairs, capsys, monkeypatch):
    monkeypatch.setenv("DRPO_LANG", "ja")
    for name, words in words_of(run, pairs).items():
        out = said(capsys, *words)
        assert out.strip(), name
        assert english(out) == [], name
    out = said(capsys, "show", run.id)
    assert "KL が上限を超えました" not in out, "the event tells what happened, not the title"
    assert "ステップ 3：開始方策からの KL が 1 回答あたり 12 ナットになりました。" in out
    assert "（監視）" in out
    assert "ステップ 4：暑すぎます。" in out
    check = said(capsys, "data", "check", str(pairs))
    assert "空の回答：1 行（10 (chosen)）" in check
    assert "学習に使われる形" in check


def test_the_same_is_said_in_english(run, pairs, capsys):
    assert "step 3: KL to the start policy is 12 nats per answer" in said(capsys, "show", run.id)
    assert "empty answer: 1 row, namely 10 (chosen)" in said(capsys, "data", "check", str(pairs))


def test_json_is_the_same_in_every_language(run, pairs, capsys, monkeypatch):
    asked = [
        ["runs", "--json"],
        ["show", run.id, "--json"],
        ["samples", run.id, "--json"],
        ["sweep", "show", "broad", "--json"],
        ["data", "check", str(pairs), "--json"],
        ["show", "nothing", "--json"],
    ]
    english_said = [json.loads(said(capsys, *words)) for words in asked]
    monkeypatch.setenv("DRPO_LANG", "ja")
    for words, one in zip(asked, english_said, strict=True):
        other = json.loads(said(capsys, *words))
        assert (
            {**other, "seconds": 0} == {**one, "seconds": 0} if words[0] == "data" else other == one
        )


@pytest.mark.usefixtures("run")
def test_columns_stand_below_each_other_although_signs_are_wide(capsys, monkeypatch):
    monkeypatch.setenv("DRPO_LANG", "ja")
    head, row = said(capsys, "runs").splitlines()
    before_head, before_row = head.partition("更新")[0], row.partition("5/10")[0]
    wide = [
        sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
        for text in (before_head, before_row)
    ]
    assert wide[0] == wide[1]


@pytest.mark.parametrize(
    ("stage", "method", "status", "expected"),
    [
        ("training", "drpo", "running", "update 5 of 10"),
        ("reward model", "drpo", "running", "training the reward model, 3 of 16"),
        ("evaluation", "dpo", "running", "measuring on held-out prompts, 3 of 16"),
        ("finished", "dpo", "finished", "dpo"),
    ],
)
def test_a_stage_counts_its_own_steps(store, run, capsys, stage, method, status, expected):
    config = {**run.config, "run": {**run.config["run"], "method": method}}
    of = {"stage": stage, "stage_done": 3, "stage_total": 16, "status": status}
    store.runs.change(run.id, config=config, **of)
    assert f"  {expected}  " in said(capsys, "runs")
    assert said(capsys, "show", run.id).splitlines()[0].endswith(f", {expected}")
