"""Groups of episodes that share a start, and what becomes of those that teach nothing."""

import pytest
import torch
from toy import RecordingObserver, toy_config, toy_pairs

from drpo import metrics
from drpo.modeling.models import load_models
from drpo.rl.batches import prepare_episodes
from drpo.rl.experience import collect
from drpo.rl.metrics import Clock
from drpo.rl.minibatches import split_minibatches
from drpo.rl.trainer import train


class PromptScorer:
    """Alike within a group for one half of the prompts, as drawn for the other."""

    def score(self, completions):
        return torch.tensor(
            [
                0.0 if c.facts["colour"] in ("red", "blue") else float(sum(c.ids) % 97)
                for c in completions
            ]
        )


@pytest.fixture
def drawn(model_folder, reward_folder):
    """Return a function that draws an update's episodes."""

    def draw(step=0, **settings):
        config = toy_config(
            model_folder(),
            reward_folder,
            advantage="rloo",
            group_size=4,
            episodes_per_update=32,
            reset_prob=0.5,
            missing_eos_penalty=None,
            **settings,
        )
        models = load_models(config)
        models.reward = PromptScorer()
        episodes = prepare_episodes(models, toy_pairs(24), config, observer=RecordingObserver())
        return config, collect(models, episodes, config, step, 0.5, Clock())

    return draw


def test_a_group_shares_prompt_and_reset_point_and_nothing_else(drawn):
    _, experience = drawn()
    answers = [completion.ids for completion in experience.completions]
    for begin in range(0, 32, 4):
        starts = experience.starts[begin : begin + 4]
        assert len(set(starts)) == 1
        assert len(set(answers[begin : begin + 4])) > 1
    assert len({(start.pair, start.prefix) for start in experience.starts}) > 1
    assert {start.reset for start in experience.starts} == {True, False}


def test_dead_groups_are_kept_unless_asked_otherwise(drawn):
    config, experience = drawn()
    assert bool(experience.dead_rows(4).any())
    assert experience.living(config) is None


def test_dropped_groups_are_in_no_minibatch(drawn):
    config, experience = drawn(zero_spread_groups="drop")
    living = experience.living(config)
    dead = {row for row in range(32) if bool(experience.dead_rows(4)[row])}
    assert dead
    assert set(living) == set(range(32)) - dead
    for epoch in split_minibatches(experience.rollout, config, 0, living):
        assert {row for part in epoch for rows in part for row in rows} == set(living)


def test_resampled_groups_have_spread_and_the_others_stay(drawn):
    _, kept = drawn()
    _, again = drawn(zero_spread_groups="resample")
    dead = kept.dead_rows(4)
    assert again.drawn_again == int(dead.sum()) // 4
    assert not bool(again.dead_rows(4).any())
    for row in range(32):
        same = kept.completions[row] == again.completions[row]
        assert same == (not bool(dead[row]))
    acted = again.rollout.acted.sum(dim=1).tolist()
    lengths = [len(c.ids) - s.prefix for c, s in zip(again.completions, again.starts, strict=True)]
    assert acted == lengths
    # What was drawn for nothing was written all the same.
    assert kept.num_tokens == int(kept.rollout.acted.sum()) < again.num_tokens


def test_a_run_without_any_spread_learns_nothing_and_says_so(model_folder, reward_folder, tmp_path):
    config = toy_config(
        model_folder(), reward_folder, advantage="grpo", group_size=2, zero_spread_groups="drop"
    )
    models = load_models(config)
    models.reward = type("Flat", (), {"score": lambda _, cs: torch.ones(len(cs))})()
    config = config.replace(missing_eos_penalty=None)
    before = {name: weight.clone() for name, weight in models.trained().items()}
    observer = RecordingObserver()
    train(models, toy_pairs(8), toy_pairs(6, 90), config, observer, checkpoint_dir=tmp_path)
    assert observer.metrics_at[4][metrics.GROUP_ZERO_SPREAD] == 1.0
    assert all(torch.equal(weight, before[name]) for name, weight in models.trained().items())
    assert not any(name.startswith("critic.") for name in before)
