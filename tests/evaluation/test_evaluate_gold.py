"""Runs trained on the true score: what rows without one, and reward models, make of them."""

import json
import math

import pytest
from runs import small_config, write_with_facts

from drpo.analysis.verdict import head_to_head, scores_at, verdict_of
from drpo.evaluation.evaluate import evaluate
from drpo.evaluation.policies import contestant
from drpo.runs import worker


@pytest.fixture
def gold_run(store, tmp_path, model_folder):
    """A finished run on the true score, one of whose held-out rows has none."""
    config = small_config(
        tmp_path,
        model_folder(),
        None,
        reward_source="gold",
        updates=1,
        sample_prompts=3,
        data=str(write_with_facts(tmp_path / "facts.jsonl", 24)),
        heldout=str(write_with_facts(tmp_path / "apart.jsonl", 6, first=100, bare=(1,))),
    )
    run = store.runs.create(config)
    assert worker.execute(run.id, store) == "finished", store.runs.get(run.id).error
    return store.runs.get(run.id)


def test_a_held_out_row_without_facts_breaks_neither_this_run_nor_later_ones(
    store, tmp_path, model_folder, reward_folder, gold_run
):
    last = gold_run.summary["last"]
    assert math.isfinite(last["scores"])
    assert last["scores"] == last["gold"]
    evaluate(store, [contestant(store, gold_run.id)])
    body = store.documents.get("evaluation", f"{gold_run.id}@1")
    json.dumps(body, allow_nan=False)
    assert body["figures"]["scores"] == pytest.approx(last["scores"])
    later = store.runs.create(small_config(tmp_path, model_folder(), reward_folder, updates=1))
    assert worker.execute(later.id, store) == "finished", store.runs.get(later.id).error


def test_a_run_trained_on_the_true_score_has_no_word_of_a_reward_model(
    store, tmp_path, model_folder, reward_folder, gold_run
):
    assert [one.source for one in verdict_of(store, gold_run).comparisons] == ["gold"]
    assert scores_at(store, gold_run.id, 1, "reward_model") == {}
    # Its screens still show the reward that it was trained on.
    episodes = store.samples.at(gold_run.id, 1, "episode")
    assert all(episode.score is not None for episode in episodes)
    known = [sample for sample in store.samples.at(gold_run.id, 1) if sample.gold is not None]
    assert len(known) == 2
    assert all(sample.score == sample.gold for sample in known)

    config = small_config(
        tmp_path,
        model_folder(),
        reward_folder,
        updates=1,
        sample_prompts=3,
        data=gold_run.config["data"]["data"],
        heldout=gold_run.config["data"]["heldout"],
    )
    by_model = store.runs.create(config)
    assert worker.execute(by_model.id, store) == "finished"
    assert head_to_head(store, gold_run, by_model, "reward_model") is None
    found = evaluate(store, [contestant(store, run.id) for run in (by_model, gold_run)])
    learned = {row.prompt: row.policy.score for row in found.contestants[1].rows}
    assert len(learned) == 6
    assert scores_at(store, gold_run.id, 1, "reward_model") == learned
