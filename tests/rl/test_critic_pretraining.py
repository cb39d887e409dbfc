"""The critic learns from offline answers before the first update."""

import pytest
import torch
from toy import RecordingObserver, toy_config, toy_pairs

from drpo import metrics
from drpo.data.pairs import Pair
from drpo.modeling.models import load_models
from drpo.rl import checkpoint_folders
from drpo.rl.trainer import train

PLAIN = {
    "updates": 1,  # from prefixes that settle the score, however the policy goes on
    "episodes_per_update": 32,
    "learning_rate": 1e-6,
    "critic_learning_rate": 3e-3,
    "critic_warmup_steps": 0,
    "reset_prob": 1.0,
    "reset_min_prefix": 1,
    "reset_source": "both",
    "missing_eos_penalty": None,
    "response_length": 6,
}


class FirstWordScorer:
    """A score that the first letter of the answer settles: 10 for an r, -10 for the rest."""

    def score(self, completions):
        return torch.tensor(
            [10.0 if c.text.strip().startswith("r") else -10.0 for c in completions]
        )


def answers(count):
    """Pairs whose answers begin with an r half of the time."""
    return [
        Pair(prompt=p.prompt, chosen="r" + p.chosen, rejected="b" + p.rejected, facts=p.facts)
        for p in toy_pairs(count)
    ]


def trained(config, folder, observer=None):
    models = load_models(config)
    models.reward = FirstWordScorer()
    observer = observer or RecordingObserver()
    state = train(models, answers(100), toy_pairs(6, 90), config, observer, checkpoint_dir=folder)
    return models, state, observer


def test_what_offline_answers_show_is_foreseen_from_the_first_update_on(
    model_folder, reward_folder, tmp_path
):
    plain = toy_config(model_folder(), reward_folder, **PLAIN)
    taught = plain.replace(critic_pretraining_epochs=4.0)
    before = trained(plain, tmp_path / "plain")[2].metrics_at[1][metrics.VAL_EXPLAINED_VARIANCE]
    models, _, observer = trained(taught, tmp_path / "taught")
    after = observer.metrics_at[1][metrics.VAL_EXPLAINED_VARIANCE]
    assert before < 0.05
    assert after > 0.2  # the toy policy goes on in ways that no offline answer shows
    assert float(models.critic.spread) == pytest.approx(10.0, rel=0.2)
    told = [event for event in observer.events if event[1] == "stage"]
    assert [(step, payload["figures"]["answers"]) for step, _, payload in told] == [(0, 200)]


def test_only_the_critic_learns_beforehand(model_folder, reward_folder, tmp_path):
    """One epoch in the same order gives the policy the episodes that it had without."""
    plain = toy_config(model_folder(), reward_folder, **PLAIN)
    one = trained(plain, tmp_path / "one")[2]
    other = trained(plain.replace(critic_pretraining_epochs=0.5), tmp_path / "other")[2]

    def episodes(observer):
        return [(s.prompt, s.prefix, s.response, s.weights) for s in observer.kept_samples[:20]]

    assert episodes(one) == episodes(other)


class Stopping(RecordingObserver):
    """Asks to stop after some steps of the pretraining."""

    def should_stop(self):
        return self.stages.count("critic pretraining") > 3


def test_stopped_in_the_middle_it_begins_anew(model_folder, reward_folder, tmp_path):
    config = toy_config(model_folder(), reward_folder, **PLAIN, critic_pretraining_epochs=1.0)
    folder = tmp_path / "stopped"
    stopping = Stopping()
    state = trained(config, folder, stopping)[1]
    assert state.step == 0
    assert stopping.stages.count("critic pretraining") == 4
    assert checkpoint_folders.latest(folder) is None
    again = trained(config, folder)[0].trained()
    straight = trained(config, tmp_path / "straight")[0].trained()
    assert all(torch.equal(again[name], straight[name]) for name in straight)


def test_a_run_without_a_critic_has_none_to_teach(model_folder, reward_folder, tmp_path):
    settings = PLAIN | {"advantage": "rloo", "group_size": 4}
    config = toy_config(model_folder(), reward_folder, **settings, critic_pretraining_epochs=1.0)
    observer = trained(config, tmp_path)[2]
    assert "critic pretraining" not in observer.stages
