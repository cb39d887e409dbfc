"""Advantage estimators by what they bring about: gradients, baselines, masks."""

import itertools
import math
from pathlib import Path

import pytest
import torch
from toy import toy_config

from drpo.errors import ConfigError, ShapeError
from drpo.rl.advantages import group_normalised, leave_one_out, zero_spread
from drpo.rl.credit import OldPolicyStats, assign_credit
from drpo.rl.kl import exact_kl, k3_per_token

ARMS = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)
"""What each arm pays."""
START = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64).log()


def config(**settings):
    return toy_config(Path("p"), Path("r"), **settings)


def stats(policy, start, chosen, exact):
    """One-token episodes, one for each chosen arm."""
    logs, reference = policy[chosen][:, None], start[chosen][:, None]
    kl = exact_kl(policy, start).double()
    shown = kl.expand(len(chosen), 1) if exact else logs - reference
    return OldPolicyStats(logs, reference, shown, torch.zeros_like(logs), None)


def brake_gradient(policy, start, estimator):
    """The expected policy gradient of the brake alone, by enumeration over the arms.

    The real `assign_credit` says what each arm earns with score 0; whitening is undone by asking
    for rloo credit with all arms in one group, weighted exactly.
    """
    chosen = torch.arange(len(policy))
    acted = torch.ones(len(policy), 1, dtype=torch.bool)
    asked = config(advantage="rloo", group_size=3, episodes_per_update=3, kl_estimator=estimator)
    old = stats(policy, start, chosen, estimator == "exact")
    zero = torch.zeros(len(policy), dtype=torch.float64)
    earned = assign_credit(zero, old, acted, asked, 1.0).advantages[:, 0]
    probs = policy.exp()
    # grad log p(a) of softmax logits is onehot(a) - p.
    return sum(probs[a] * earned[a] * (torch.eye(3).double()[a] - probs) for a in range(3))


def true_brake(policy, start):
    logits = policy.clone().requires_grad_()
    logs = logits.log_softmax(-1)
    (logs.exp() * (logs - start)).sum().backward()
    return -logits.grad


@pytest.mark.parametrize("tilt", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("estimator", ["k1", "exact"])
def test_the_brake_pulls_along_the_true_gradient_of_the_kl(estimator, tilt):
    policy = (START + tilt * ARMS).log_softmax(-1)
    ours, true = brake_gradient(policy, START, estimator), true_brake(policy, START)
    # Leave-one-out over three arms scales the part that comes from totals by 3 / 2.
    scale = 1.5 if estimator == "k1" else 1.0
    torch.testing.assert_close(ours, scale * true)


def test_k3_as_a_reward_would_be_no_brake():
    """Why it is not offered: at KL .92 it pulls away from the start policy."""
    policy = (START + 3.0 * ARMS).log_softmax(-1)
    everywhere = torch.ones(1, 3, dtype=torch.bool)
    earned = -k3_per_token(policy[None], START[None], everywhere)[0]
    probs = policy.exp()
    pull = sum(probs[a] * earned[a] * (torch.eye(3).double()[a] - probs) for a in range(3))
    true = true_brake(policy, START)
    assert float(pull @ true / (pull.norm() * true.norm())) < 0


def test_k3_in_the_loss_is_a_brake():
    """GRPO's place for it: differentiated, it pulls along grad KL(start || policy)."""
    policy = (START + 3.0 * ARMS).log_softmax(-1)
    logits = policy.clone().requires_grad_()
    logs = logits.log_softmax(-1)
    everywhere = torch.ones(1, 3, dtype=torch.bool)
    loss = (policy.exp() * k3_per_token(logs[None], START[None], everywhere)[0]).sum()
    loss.backward()
    toward_start = policy.exp() - START.exp()
    torch.testing.assert_close(logits.grad, toward_start)


@pytest.mark.parametrize("estimator", ["k1", "exact"])
def test_a_bandit_ends_at_the_gibbs_optimum(estimator):
    kl_coef, policy = 0.5, START.clone()
    for _ in range(4000):
        probs = policy.exp()
        score = sum(probs[a] * ARMS[a] * (torch.eye(3).double()[a] - probs) for a in range(3))
        scale = 1.5 if estimator == "k1" else 1.0
        brake = brake_gradient(policy, START, estimator) / scale
        policy = (policy + 0.2 * (score + kl_coef * brake)).log_softmax(-1)
    gibbs = (START + ARMS / kl_coef).log_softmax(-1)
    torch.testing.assert_close(policy.exp(), gibbs.exp(), atol=1e-4, rtol=0)


def test_the_leave_one_out_baseline_is_unbiased_by_enumeration():
    """A two-step MDP with three actions: the expected estimate is the exact policy gradient.

    Every group of two continuations is enumerated with its probability.
    """
    generator = torch.Generator().manual_seed(3)
    table = torch.randn(4, 3, generator=generator, dtype=torch.float64)  # root, after 0, 1, 2
    reward = torch.randn(3, 3, generator=generator, dtype=torch.float64)

    def log_prob(path, logits):
        first, second = path
        return logits[0].log_softmax(-1)[first] + logits[1 + first].log_softmax(-1)[second]

    paths = list(itertools.product(range(3), range(3)))
    logits = table.clone().requires_grad_()
    value = sum(log_prob(path, logits).exp() * reward[path] for path in paths)
    (exact,) = torch.autograd.grad(value, logits)

    estimate = torch.zeros_like(table)
    gradients = {}
    for path in paths:
        fresh = table.clone().requires_grad_()
        (gradients[path],) = torch.autograd.grad(log_prob(path, fresh), fresh)
    for pair in itertools.product(paths, paths):
        weight = math.prod(float(log_prob(path, table).exp()) for path in pair)
        earned = leave_one_out(torch.stack([reward[path] for path in pair]), 2)
        for path, advantage in zip(pair, earned, strict=True):
            estimate += weight * advantage * gradients[path] / 2
    torch.testing.assert_close(estimate, exact)


def test_group_advantages_agree_with_naive_ones(generator):
    totals = torch.randn(12, generator=generator, dtype=torch.float64)
    rloo, grpo = leave_one_out(totals, 4), group_normalised(totals, 4)
    for i in range(12):
        group = [j for j in range(12) if j // 4 == i // 4]
        others = [float(totals[j]) for j in group if j != i]
        assert float(rloo[i]) == pytest.approx(float(totals[i]) - sum(others) / 3)
        values = [float(totals[j]) for j in group]
        mean = sum(values) / 4
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / 3)
        assert float(grpo[i]) == pytest.approx((float(totals[i]) - mean) / (spread + 1e-4))


def test_a_group_of_zero_spread_teaches_nothing():
    totals = torch.tensor([1.0, 1.0, 0.0, 1.0])
    assert zero_spread(totals, 2).tolist() == [True, False]
    assert leave_one_out(totals, 2).tolist() == [0.0, 0.0, -1.0, 1.0]
    assert group_normalised(totals, 2)[:2].tolist() == [0.0, 0.0]


def test_the_brake_is_no_stronger_where_answers_score_alike(generator):
    """Divided by a spread of its own, a KL of hundredths counted as much as success and failure."""
    kl = 0.02 * torch.rand(8, 5, generator=generator)
    zeros = torch.zeros(8, 5)
    old = OldPolicyStats(zeros, zeros, kl, zeros, None)
    acted = torch.ones(8, 5, dtype=torch.bool)
    # The first group fails from end to end, in the second one answer of four succeeds.
    scores = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    asked = config(advantage="grpo", group_size=4)
    earned = assign_credit(scores, old, acted, asked, 0.1).advantages[:, 0]
    braked = leave_one_out(-0.1 * kl.sum(dim=1), 4)
    torch.testing.assert_close(earned[:4], braked[:4])
    assert float(earned[:4].abs().max()) < 0.02
    won = torch.tensor([1.5, -0.5, -0.5, -0.5])
    torch.testing.assert_close(earned[4:], won + braked[4:], atol=1e-3, rtol=0)


def test_half_a_group_is_refused():
    with pytest.raises(ShapeError, match="5 episodes"):
        leave_one_out(torch.zeros(5), 2)
    with pytest.raises(ConfigError, match="multiple of group_size"):
        config(advantage="rloo", group_size=3)


@pytest.mark.parametrize("advantage", ["rloo", "grpo"])
def test_only_chosen_tokens_earn_group_credit(advantage, generator):
    acted = torch.arange(6) < torch.tensor([6, 2, 1, 4])[:, None]
    noise = torch.randn(4, 6, generator=generator)
    junk = torch.where(acted, 0.0, math.nan)
    old = OldPolicyStats(noise + junk, noise * 0.9 + junk, 0.1 * noise + junk, noise, None)
    asked = config(advantage=advantage, group_size=2)
    credit = assign_credit(torch.randn(4, generator=generator), old, acted, asked, 0.1)
    assert (credit.advantages[~acted] == 0).all()
    per_row = [credit.advantages[row, : int(acted[row].sum())] for row in range(4)]
    assert all((row == row[0]).all() for row in per_row)


def test_the_place_of_the_brake_belongs_to_grpo():
    with pytest.raises(ConfigError, match="kl_placement 'loss' is GRPO's"):
        config(kl_placement="loss")
    asked = config(kl_placement="loss", advantage="grpo", group_size=2)
    acted = torch.ones(2, 1, dtype=torch.bool)
    logs = torch.zeros(2, 1)
    old = OldPolicyStats(logs, logs - 1, torch.ones(2, 1), logs, None)
    # What the reward pays does not feel the KL: both episodes earned the same.
    assert assign_credit(torch.zeros(2), old, acted, asked, 5.0).advantages.abs().max() == 0
