"""A reward model as the judge of labels: as it is, and trained anew where it has not looked."""

import pytest
from toy import toy_pairs

from drpo.config.run_config import RunConfig
from drpo.data.labels.label_text import sentences
from drpo.errors import ConfigError
from drpo.evaluation.reward_labels import check_by_reward, find_judge
from drpo.i18n import spoken
from drpo.store import run_folder
from tests.data.label_material import loaded, with_wrong


def test_a_folders_model_is_asked_as_it_is_and_the_check_says_so(store, reward_folder):
    judge = find_judge(str(reward_folder), store)
    told = []
    found = check_by_reward(loaded(toy_pairs(60)), judge, tell=lambda *far: told.append(far))
    assert found["model"]["kind"] == "reward_model"
    assert not found["model"]["cross_fitted"]
    assert found["length"] is None
    assert {stage for stage, _, _ in told} >= {"score", "noise"}
    with spoken("en"):
        assert any("may have learned from these very labels" in text for text in sentences(found))
    with pytest.raises(ConfigError, match="expected a run's id"):
        check_by_reward(loaded(toy_pairs(60)), judge, per_fold=True)


def test_a_runs_reward_model_is_trained_anew_for_each_fold(store, model_folder):
    config = RunConfig.of(
        data="toy",
        policy=str(model_folder()),
        device="cpu",
        rm_epochs=10,
        rm_learning_rate=5e-3,
        rm_batch_size=24,
        rm_pooling="sum",
    )
    run = store.runs.create(config)
    with pytest.raises(ConfigError, match="has no reward model"):
        find_judge(run.id, store)
    (run_folder(run.id) / "models" / "reward_model").mkdir(parents=True)
    pairs, wrong = with_wrong(toy_pairs(80), 0.1)
    told = []
    found = check_by_reward(
        loaded(pairs), find_judge(run.id, store), per_fold=True, tell=lambda *far: told.append(far)
    )
    assert found["model"]["cross_fitted"]
    trained = [done for stage, done, _ in told if stage == "train"]
    assert trained == sorted(trained)
    worst = [suspect["pair"] for suspect in found["suspects"][:6]]
    assert sum(wrong[number - 1] for number in worst) >= 4
