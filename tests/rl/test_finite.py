"""What is no number is named: which tensor, which episode, which weight."""

import math

import pytest
import torch
from torch import nn

from drpo.errors import TrainingDivergedError
from drpo.rl.finite import check_finite, check_gradient

WRONG = (math.nan, math.inf, -math.inf)


@pytest.mark.parametrize("wrong", WRONG)
def test_the_episode_is_named(wrong):
    scores = torch.ones(6)
    scores[4] = wrong
    with pytest.raises(TrainingDivergedError, match=r"The scores became .* in episode 4, so"):
        check_finite("scores", scores)
    values = torch.zeros(6, 3)
    values[1:, 2] = wrong
    with pytest.raises(TrainingDivergedError, match="in episodes 1, 2, 3 and 2 more, so"):
        check_finite("values", values)


@pytest.mark.parametrize("wrong", WRONG)
def test_of_a_sum_the_micro_batch_is_named(wrong):
    with pytest.raises(TrainingDivergedError, match=r"loss .* in a micro-batch of episode 7,"):
        check_finite("policy's loss", torch.tensor(wrong), episodes=[7])


def test_of_a_gradient_the_weight_is_named():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    network(torch.ones(1, 2)).sum().backward()
    network[1].weight.grad[0, 0] = math.nan
    with pytest.raises(TrainingDivergedError, match=r"gradient .* in weight 1\.weight, so"):
        check_gradient("policy", torch.tensor(math.nan), dict(network.named_parameters()))
    check_gradient("policy", torch.tensor(1.0), dict(network.named_parameters()))


def test_finite_numbers_pass():
    check_finite("scores", torch.tensor([0.0, -1e30, 3e38]))
