"""Which prompts an evaluation may use: those that no contestant was trained on."""

import json

import pytest
from runs import small_config, write_pairs
from toy import toy_pairs

from drpo.data.quality.near_duplicates import normalise
from drpo.data.run_data import load_run_data
from drpo.errors import DataError
from drpo.evaluation.evaluate import evaluate
from drpo.evaluation.policies import contestant
from drpo.runs import worker


@pytest.fixture
def trained(store, tmp_path, model_folder, reward_folder):
    """Make a contestant of a run with these settings."""

    def make(**settings):
        usual = {"updates": 1, "sample_prompts": 1, "eval_prompts": 24, "response_length": 4}
        config = small_config(tmp_path, model_folder(), reward_folder, **(usual | settings))
        run = store.runs.create(config)
        assert worker.execute(run.id, store) == "finished", store.runs.get(run.id).error
        return contestant(store, run.id)

    return make


def asked(store, *contestants):
    return {row.prompt for row in evaluate(store, contestants).contestants[0].rows}


def test_another_division_of_the_same_data_trains_on_other_prompts(store, tmp_path, trained):
    data = str(write_pairs(tmp_path / "all.jsonl", 24))
    first, second = (
        trained(data=data, heldout=None, heldout_fraction=0.4, eval_seed=seed) for seed in (0, 1)
    )
    own, other = (load_run_data(one.config, store) for one in (first, second))
    taught = {pair.prompt for pair in other.train}
    mine = {pair.prompt for pair in own.heldout}
    assert mine & taught, "the two divisions should differ"
    assert asked(store, first) == mine
    assert asked(store, first, second) == mine - taught


def test_a_prompt_spelt_otherwise_is_the_same_prompt(store, tmp_path, trained):
    first = trained()
    shouted = tmp_path / "shouted.jsonl"
    rows = [
        {"prompt": f"  {pair.prompt.upper()}!", "chosen": pair.chosen, "rejected": "x"}
        for pair in toy_pairs(4, 100)
    ]
    shouted.write_text("\n".join(map(json.dumps, rows)))
    second = trained(data=str(shouted), heldout=str(write_pairs(tmp_path / "h.jsonl", 3, 200)))
    heldout = load_run_data(first.config, store).heldout
    seen = {normalise(pair.prompt) for pair in toy_pairs(4, 100)}
    left = {pair.prompt for pair in heldout if normalise(pair.prompt) not in seen}
    assert len(left) == len(heldout) - 4
    assert asked(store, first, second) == left


def test_resets_into_demonstrations_are_training_too(store, tmp_path, trained):
    first = trained()
    second = trained(
        data=str(write_pairs(tmp_path / "other.jsonl", 12, 300)),
        heldout=str(write_pairs(tmp_path / "h.jsonl", 3, 200)),
        demonstrations=str(write_pairs(tmp_path / "shown.jsonl", 6, 100)),
        reset_source="demonstrations",
    )
    with pytest.raises(DataError, match="were trained on 6"):
        evaluate(store, [first, second])
