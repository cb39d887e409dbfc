"""What the settings of the optimiser do to a step."""

import pytest
import torch
from toy import toy_config

from drpo.modeling.models import load_models
from drpo.rl.checkpoint import TrainState
from drpo.rl.ppo import assign_credit, learn, old_policy_stats, split_minibatches
from drpo.rl.rollout import Sampling, pack

SAMPLING = Sampling(length=4, temperature=1.0, stops=(1,), pad=0, batch_size=4)


@pytest.mark.parametrize("longest", [1e-3, 0.1])
def test_a_step_of_policy_or_critic_is_no_longer_than_max_grad_norm(
    longest, model_folder, reward_folder
):
    config = toy_config(
        model_folder(), reward_folder, num_ppo_epochs=1, max_grad_norm=longest, vf_coef=5.0
    )
    models = load_models(config)
    rollout = pack([(5, 6), (7, 8, 9), (10,)], [(40, 41, 1), (42, 43, 44, 1), (45,)], SAMPLING)
    epochs = split_minibatches(rollout, config, step=0)
    old = old_policy_stats(models, rollout, epochs, config)
    credit = assign_credit(torch.tensor([1.0, -1.0, 0.5]), old, rollout, config, kl_coef=0.1)
    parts = {"policy": models.policy, "critic": models.critic}
    before = {name: flat(part) for name, part in parts.items()}
    plain = torch.optim.SGD(models.trained().values(), lr=1.0)  # a step is the clipped gradient
    learn(models, plain, rollout, old, credit, epochs, config)
    for name, part in parts.items():
        assert float((flat(part) - before[name]).norm()) == pytest.approx(longest, rel=1e-2), name


def flat(module):
    return torch.cat([weight.detach().flatten().double() for weight in module.parameters()])


def test_adam_has_the_step_size_and_the_offset_of_the_config(model_folder, reward_folder):
    config = toy_config(model_folder(), reward_folder, learning_rate=2e-4, adam_eps=3e-7)
    [group] = TrainState.begin(load_models(config), config).optimizer.param_groups
    assert (group["lr"], group["eps"], group["weight_decay"]) == (2e-4, 3e-7, 0.0)
