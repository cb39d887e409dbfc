"""A rule that remembers prompts says so where a run hardly meets one twice."""

import json

import pytest
from runs import small_config

from drpo.data.library.versions import save_version
from drpo.data.pairs import Pair
from drpo.runs.prompt_visits import few_visits
from tests.screens import notices, visit

PAIRS = [Pair(f"p{n}", f" x{n}", " y", row=n + 1) for n in range(40)]


@pytest.fixture
def config(tmp_path, model_folder, reward_folder):
    rows = [{"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected} for p in PAIRS]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {
        "data": str(tmp_path / "x.jsonl"),
        "heldout": str(tmp_path / "x.jsonl"),
        "advantage": "rloo",
        "group_size": 4,
        "episodes_per_update": 16,
        "reset_prob": 0.5,
    }
    return small_config(tmp_path, model_folder(), reward_folder, **settings)


@pytest.mark.parametrize(
    "rule",
    [
        {"reset_depth": "per_prompt"},
        {"reset_prompts": "failed"},
        {"reset_source": "failures"},
        {"reset_source": "successes", "reset_draws": 0},
    ],
)
def test_what_remembers_prompts_needs_to_meet_them_again(config, rule):
    # Four groups an update: 20 updates meet each of 40 prompts twice, 30 three times.
    few = few_visits(config.replace(**rule, updates=20))
    assert "40 prompts 2 times" in few.text("en")
    assert few.text("ja")
    assert few_visits(config.replace(**rule, updates=30)) is None
    # A tenth set apart leaves fewer to meet.
    apart = config.replace(**rule, updates=20, heldout=None, heldout_fraction=0.5)
    assert few_visits(apart) is None


def test_what_remembers_nothing_may_meet_a_prompt_once(config):
    assert few_visits(config.replace(updates=1)) is None
    assert few_visits(config.replace(updates=1, reset_prob=0.0, reset_depth="per_prompt")) is None
    elsewhere = config.replace(updates=1, reset_depth="per_prompt", data="owner/name")
    assert few_visits(elsewhere) is None


@pytest.mark.usefixtures("nothing_cached", "english")
def test_launch_says_it(store, model_folder):
    save_version(store, PAIRS, "saved")
    asked = {"start": "blank", "data": "saved:1", "policy": str(model_folder()), "updates": "1"}
    app = visit("launch", **asked, advantage="rloo", reset_depth="per_prompt")
    assert any("until a prompt comes again" in said for said in notices(app))
