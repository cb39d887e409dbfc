"""The critic learns: what it foresees, in whatever units the scores come."""

from pathlib import Path

import pytest
import torch
from conftest import tiny_model
from toy import WORDS, RecordingObserver, toy_config, toy_pairs

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.modeling.critic import Critic
from drpo.modeling.models import load_models
from drpo.rl.critic_updates import follow_returns
from drpo.rl.losses import value_loss
from drpo.rl.optimizer import make_optimizer, set_step_size
from drpo.rl.trainer import train


def fresh_critic() -> Critic:
    return Critic(tiny_model("llama").base_model, 16)


def foresee(critic: Critic) -> torch.Tensor:
    tokens = torch.arange(2, 14).reshape(2, 6)
    with torch.no_grad():
        return critic(tokens, torch.arange(12))


def test_a_fresh_critic_foresees_the_mean_return():
    critic, acted = fresh_critic(), torch.ones(2, 2, dtype=torch.bool)
    follow_returns(critic, torch.tensor([[4.0, 6.0], [5.0, 9.0]]), acted, first=True)
    assert foresee(critic).unique().tolist() == [6.0]
    assert float(critic.spread) == pytest.approx(1.8708, abs=1e-3)  # sqrt(14 / 4)


def test_new_units_change_nothing_that_the_critic_foresees():
    critic, acted = fresh_critic(), torch.ones(1, 2, dtype=torch.bool)
    with torch.no_grad():
        critic.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    before = foresee(critic)
    follow_returns(critic, torch.tensor([[-40.0, 90.0]]), acted, first=True)
    torch.testing.assert_close(foresee(critic), before, atol=1e-4, rtol=1e-4)


def test_scores_all_alike_leave_usable_units():
    critic, acted = fresh_critic(), torch.ones(1, 3, dtype=torch.bool)
    follow_returns(critic, torch.full((1, 3), 2.5), acted, first=True)
    assert float(critic.spread) == 1.0
    assert foresee(critic).unique().tolist() == [2.5]


@pytest.mark.parametrize("unit", [0.01, 1.0, 100.0])
def test_neither_clip_nor_gradient_depends_on_the_units_of_the_score(unit):
    """Five spreads away, .2 of a spread may be walked at a time, whatever a spread is."""
    acted = torch.ones(1, 1, dtype=torch.bool)
    values = torch.tensor([[0.1 * unit]], requires_grad=True)
    old, target = torch.zeros(1, 1), torch.full((1, 1), 5.0 * unit)
    loss, _ = value_loss(values, old, target, acted, cliprange_value=0.2, spread=unit)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.5 * 4.9**2, rel=1e-4)
    assert float(values.grad) * unit == pytest.approx(-4.9, rel=1e-4)


def test_critic_and_policy_have_step_sizes_of_their_own(model_folder, reward_folder):
    config = toy_config(model_folder(), reward_folder, learning_rate=1e-3, lr_schedule="linear")
    optimizer = make_optimizer(load_models(config), config)
    assert set_step_size(optimizer, config, 2) == pytest.approx(5e-4)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([5e-4, 5e-3])
    slow = config.replace(critic_learning_rate=1e-5)
    set_step_size(optimizer, slow, 0)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-3, 1e-5])


class PromptScorer:
    """A score far from 0 that the state foretells: some colours in the prompt are worth more."""

    def score(self, completions):
        return torch.tensor([50.0 + 20.0 * WORDS.index(c.facts["colour"]) for c in completions])


def explained(models, config: RunConfig, folder: Path) -> list[float]:
    models.reward = PromptScorer()
    observer = RecordingObserver()
    train(models, toy_pairs(24), toy_pairs(6, 90), config, observer, checkpoint_dir=folder)
    return [
        observer.metrics_at[step][metrics.VAL_EXPLAINED_VARIANCE]
        for step in range(1, config.ppo.updates + 1)
    ]


def test_the_critic_learns_what_the_state_foretells(model_folder, reward_folder, tmp_path):
    """Scores of 50 to 110: with one step size, from 0 and clipped at .2, nothing is explained."""
    config = toy_config(
        model_folder(),
        reward_folder,
        updates=10,
        episodes_per_update=32,
        learning_rate=1e-5,
        critic_learning_rate=3e-3,
        reset_prob=0.0,
        kl_coef=0.0,
        missing_eos_penalty=None,
        eval_every=10,
    )
    now = explained(load_models(config), config, tmp_path / "now")
    before = config.replace(
        critic_learning_rate=1e-5,
        critic_mini_batches=None,
        critic_warmup_steps=0,
        critic_lam=0.95,
        critic_scaling=False,
    )
    old = explained(load_models(before), before, tmp_path / "old")
    assert sorted(now)[len(now) // 2] > 0.5
    assert max(old) < 0.05


def test_the_policy_stands_still_while_the_critic_warms_up(model_folder, reward_folder, tmp_path):
    """With next to no step size for the policy only the critic moves."""
    config = toy_config(
        model_folder(),
        reward_folder,
        updates=1,
        learning_rate=1e-30,
        critic_learning_rate=1e-3,
        critic_warmup_steps=5,
    )
    models = load_models(config)
    before = {name: weight.clone() for name, weight in models.trained().items()}
    train(
        models, toy_pairs(8), toy_pairs(6, 90), config, RecordingObserver(), checkpoint_dir=tmp_path
    )
    moved = {
        name.split(".")[0]
        for name, weight in models.trained().items()
        if not torch.equal(weight, before[name])
    }
    assert moved == {"critic"}
