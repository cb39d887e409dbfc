"""What a run learns from: nothing that it is measured on, and nothing without a score."""

import json
from pathlib import Path

import pytest
from runs import small_config

from drpo.data import load_demonstrations
from drpo.data.run_data import load_run_data
from drpo.errors import DataError
from drpo.runs import preflight

SIDECAR = {"kind": "facts", "strict": False, "slots": {"colour": ["red", "blue", "green", "black"]}}


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def read_rows(name):
    return list(map(json.loads, Path(name).read_text(encoding="utf-8").splitlines()))


def shown(number, **extra):
    return {"prompt": f"What colour is the sea at hour {number}?", "response": " Blue.", **extra}


@pytest.fixture
def configure(tmp_path, model_folder, reward_folder):
    def make(**settings):
        return small_config(tmp_path, model_folder(), reward_folder, **settings)

    return make


def test_nobody_resets_into_an_answer_to_a_held_out_prompt(configure, tmp_path):
    heldout = read_rows(configure().data.heldout)
    told = {"prompt": heldout[0]["prompt"], "response": heldout[0]["chosen"]}
    path = write_rows(tmp_path / "shown.jsonl", [shown(1), told, shown(2)])
    config = configure(demonstrations=str(path), reset_source="demonstrations")
    found = load_run_data(config, None).demonstrations
    assert [pair.row for pair in found] == [1, 3]


def test_demonstrations_of_held_out_prompts_only_are_refused(configure, tmp_path):
    heldout = read_rows(configure().data.heldout)
    rows = [{"prompt": row["prompt"], "response": row["chosen"]} for row in heldout]
    path = write_rows(tmp_path / "shown.jsonl", rows)
    with pytest.raises(DataError, match="nothing is left"):
        load_run_data(configure(demonstrations=str(path)), None)


def test_a_hub_name_may_hold_demonstrations(tmp_path, monkeypatch):
    # The library takes a folder of that name here for the data set itself.
    write_rows(tmp_path / "owner" / "shown" / "train.jsonl", [shown(1), shown(2)])
    monkeypatch.chdir(tmp_path)
    assert [pair.chosen for pair in load_demonstrations("owner/shown")] == [" Blue.", " Blue."]


@pytest.mark.parametrize("facts", [{"colour": "blue"}, None])
def test_training_on_the_true_score_wants_facts_in_every_row(configure, tmp_path, facts):
    rows = [
        {"prompt": f"Sea {n}?", "chosen": " blue", "rejected": " red", "facts": {"colour": "blue"}}
        for n in range(6)
    ]
    data = write_rows(tmp_path / "sea.jsonl", rows)
    (tmp_path / "sea.jsonl.gold.json").write_text(json.dumps(SIDECAR), encoding="utf-8")
    path = write_rows(tmp_path / "shown.jsonl", [shown(1, facts=facts), shown(2, facts=facts)])
    config = configure(
        data=str(data),
        demonstrations=str(path),
        reset_source="demonstrations",
        reward_source="gold",
        heldout=None,
        heldout_fraction=0.4,
    )
    if facts is None:
        for check in (lambda: load_run_data(config, None), lambda: preflight.check(config)):
            with pytest.raises(DataError, match=r"2 of the \d rows .* have no facts"):
                check()
    else:
        assert load_run_data(config, None).demonstrations[0].facts == facts
