"""What the settings of the optimiser do to a step."""

import pytest
import torch
from toy import toy_config

from drpo.modeling.models import load_models
from drpo.rl.credit import assign_credit
from drpo.rl.critic_updates import learn_critic
from drpo.rl.minibatches import split_minibatches
from drpo.rl.optimizer import make_optimizer, set_step_size
from drpo.rl.ppo import learn, old_policy_stats
from drpo.rl.rollout import pack
from drpo.rl.sampling import Sampling

SAMPLING = Sampling(length=4, temperature=1.0, stops=(1,), pad=0, batch_size=4)


@pytest.mark.parametrize("longest", [1e-3, 0.1])
def test_a_step_of_policy_or_critic_is_no_longer_than_max_grad_norm(
    longest, model_folder, reward_folder
):
    config = toy_config(
        model_folder(),
        reward_folder,
        num_ppo_epochs=1,
        max_grad_norm=longest,
        critic_mini_batches=None,
        critic_warmup_steps=0,
        critic_scaling=False,
    )
    models = load_models(config)
    rollout = pack([(5, 6), (7, 8, 9), (10,)], [(40, 41, 1), (42, 43, 44, 1), (45,)], SAMPLING)
    epochs = split_minibatches(rollout, config, step=0)
    old = old_policy_stats(models, rollout, epochs, config)
    credit = assign_credit(torch.tensor([3.0, -1.0, 0.5]), old, rollout.acted, config, 0.1)
    parts = {"policy": models.policy, "critic": models.critic}
    before = {name: flat(part) for name, part in parts.items()}
    plain = torch.optim.SGD(models.trained().values(), lr=1.0)  # a step is the clipped gradient
    learn(models, plain, rollout, old, credit, epochs, config, 0.1)
    learn_critic(models, plain, rollout, old, credit, epochs[0], config)
    for name, part in parts.items():
        assert float((flat(part) - before[name]).norm()) == pytest.approx(longest, rel=1e-2), name


def flat(module):
    return torch.cat([weight.detach().flatten().double() for weight in module.parameters()])


def test_adam_has_the_step_sizes_and_the_offset_of_the_config(model_folder, reward_folder):
    config = toy_config(
        model_folder(),
        reward_folder,
        learning_rate=2e-4,
        lr_schedule="constant",
        critic_learning_rate=7e-4,
        adam_eps=3e-7,
    )
    optimizer = make_optimizer(load_models(config), config)
    set_step_size(optimizer, config, step=0)
    policy, critic = optimizer.param_groups
    assert (policy["lr"], policy["eps"], policy["weight_decay"]) == (2e-4, 3e-7, 0.0)
    assert (critic["lr"], critic["eps"]) == (pytest.approx(7e-4), 3e-7)
