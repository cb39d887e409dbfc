"""Every published way to reset: what is given is never learned from, and a resume is exact."""

import pytest
import torch
from toy import RecordingObserver, toy_config, toy_pairs

from drpo import metrics
from drpo.config import reset_methods
from drpo.config.run_config import RunConfig
from drpo.modeling.models import load_models
from drpo.rl import checkpoint
from drpo.rl.batches import prepare_episodes, written_ids
from drpo.rl.credit import assign_credit
from drpo.rl.experience import collect
from drpo.rl.hint_loss import hint_gradients
from drpo.rl.metrics import Clock
from drpo.rl.minibatches import split_minibatches
from drpo.rl.ppo import learn, old_policy_stats, policy_gradients
from drpo.rl.trainer import train

NAMES = tuple(reset_methods.METHODS)
SMALL = {
    "group_size": 4,
    "reset_draws": 8,
    "reset_success": -0.1,
    "num_ppo_epochs": 1,
    "max_prompt_length": 20,
}
"""Two groups an update; random answers reach that score about every other time."""


def config_of(name, model_folder, reward_folder, **settings):
    return toy_config(model_folder(), reward_folder, **{"method": name, **SMALL, **settings})


def loaded(config):
    """Models that end an answer now and then, or there would be no success to keep."""
    models = load_models(config)
    with torch.no_grad():
        for network in (models.policy, models.frozen):
            network.lm_head.weight[1] *= 4.0
    return models


def trained(config, folder, state_of=None):
    models, observer = loaded(config), RecordingObserver()
    state = checkpoint.load(state_of, models, config) if state_of else None
    pairs, heldout = toy_pairs(6), toy_pairs(6, 90)
    state = train(models, pairs, heldout, config, observer, checkpoint_dir=folder, state=state)
    return models, state, observer


def plain_gradient(models, starts, answers, advantages, temperature):
    """PPO's first gradient over what was written alone, one row at a time, nothing padded."""
    tokens = sum(map(len, answers))
    for row, (start, written) in enumerate(zip(starts, answers, strict=True)):
        ids, count = torch.tensor([[*start.context, *written]]), len(written)
        logits = models.policy(ids).logits[0, -count - 1 : -1] / temperature
        logs = logits.log_softmax(-1)[range(count), list(written)]
        ratio = (logs - logs.detach()).exp()
        (-(advantages[row, :count] * ratio).sum() / tokens).backward()


@pytest.mark.parametrize("name", NAMES)
def test_given_tokens_enter_no_loss_no_kl_and_no_ratio(name, model_folder, reward_folder, tmp_path):
    config = config_of(name, model_folder, reward_folder, updates=3, hint_weight=0.0)
    models, state, _ = trained(config, tmp_path)
    episodes = prepare_episodes(models, toy_pairs(6), config, observer=RecordingObserver())
    drawn = collect(models, episodes, config, 1, 1.0, Clock(), state.curriculum)
    if name != "ppo":
        assert any(start.prefix for start in drawn.starts), "nothing was given"
    answers = written_ids(drawn.rollout)
    wholes = [(*s.given, *a) for s, a in zip(drawn.starts, answers, strict=True)]
    assert wholes == [completion.ids for completion in drawn.completions]

    epochs = split_minibatches(drawn.rollout, config, 1)
    old = old_policy_stats(models, drawn.rollout, epochs, config)
    acted = drawn.rollout.acted
    assert int(acted.sum()) == sum(map(len, answers))
    for measured in (old.log_probs, old.reference_log_probs, old.kl, old.entropy):
        assert (measured[~acted] == 0).all()
    credit = assign_credit(drawn.scores, old, acted, config, 0.1)
    sums = policy_gradients(models, drawn.rollout, old, credit, epochs[0][0], config, 0.1)
    assert sums["tokens"] == sum(map(len, answers))
    assert sums["ratio_excess"] == 0.0
    found = {name: weight.grad.clone() for name, weight in models.policy.named_parameters()}
    models.policy.zero_grad()
    plain_gradient(models, drawn.starts, answers, credit.advantages, config.sampling.temperature)
    for parameter, weight in models.policy.named_parameters():
        scale = float(weight.grad.abs().max()) or 1.0
        torch.testing.assert_close(found[parameter], weight.grad, atol=1e-5 * scale, rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_taken_up_again_goes_on_with_what_it_knew(
    name, model_folder, reward_folder, tmp_path
):
    config = config_of(name, model_folder, reward_folder)
    straight, state, told = trained(config, tmp_path / "straight")
    half = tmp_path / "straight" / checkpoint.folder_name(2)
    resumed, again, _ = trained(config, tmp_path / "resumed", half)
    assert again.curriculum.state() == state.curriculum.state()
    ours, theirs = straight.trained(), resumed.trained()
    assert all(torch.equal(ours[weight], theirs[weight]) for weight in ours)
    last = checkpoint.folder_name(4)
    files = [tmp_path / run / last / "optimizer.safetensors" for run in ("straight", "resumed")]
    assert files[0].read_bytes() == files[1].read_bytes()

    depths = config.reset.reset_depth
    rows = told.metrics_at.values()
    assert any(metrics.RESET_NEEDED_SHARE in row for row in rows) == (depths == "per_prompt")
    assert any(metrics.LOSS_HINT_AVG in row for row in rows) == (name == "uft")
    if config.reset.reset_source in ("successes", "failures"):
        assert len(state.curriculum.own) > 0


def test_the_hints_gradient_is_that_of_whole_rows_one_at_a_time(
    model_folder, reward_folder, tmp_path
):
    config = config_of("uft", model_folder, reward_folder, updates=1, hint_weight=0.5)
    models, state, _ = trained(config, tmp_path)
    episodes = prepare_episodes(models, toy_pairs(6), config, observer=RecordingObserver())
    starts = episodes.starts(0, 1.0, curriculum=state.curriculum)
    models.policy.zero_grad()
    sums = hint_gradients(models, starts, config)
    found = {name: weight.grad.clone() for name, weight in models.policy.named_parameters()}
    models.policy.zero_grad()
    given = {start for start in starts if start.prefix}
    total, count = torch.zeros(()), 0
    for start in given:
        ids = torch.tensor([start.context])
        logs = models.policy(ids).logits[0, :-1].log_softmax(-1)
        total = total - logs[range(-start.prefix, 0), list(start.given)].sum()
        count += start.prefix
    (0.5 * total / count).backward()
    assert sums == {"hint_loss": pytest.approx(total.item()), "hint_tokens": count}
    for name, weight in models.policy.named_parameters():
        scale = float(weight.grad.abs().max()) or 1.0
        torch.testing.assert_close(found[name], weight.grad, atol=1e-5 * scale, rtol=1e-3)


def test_the_hints_loss_stands_beside_and_moves_no_other_figure(
    model_folder, reward_folder, tmp_path
):
    config = config_of("uft", model_folder, reward_folder, updates=1)
    figures = []
    for weight in (0.0, 0.5):
        models, _, _ = trained(config, tmp_path / str(weight))
        asked = config.replace(hint_weight=weight)
        episodes = prepare_episodes(models, toy_pairs(6), asked, observer=RecordingObserver())
        drawn = collect(models, episodes, asked, 0, 1.0, Clock())
        epochs = split_minibatches(drawn.rollout, asked, 0)
        old = old_policy_stats(models, drawn.rollout, epochs, asked)
        credit = assign_credit(drawn.scores, old, drawn.rollout.acted, asked, 0.1)
        still = torch.optim.SGD(models.trained().values(), lr=0.0)
        rest = (models, still, drawn.rollout, old, credit, epochs, asked, 0.1, drawn.starts)
        figures.append(learn(*rest))
    without, with_hint = figures
    assert with_hint.pop(metrics.LOSS_HINT_AVG) > 0
    assert with_hint == without


def test_a_name_stands_for_its_settings_and_what_is_set_beside_it_wins():
    config = RunConfig.of(data="d", policy="p", method="adaback", group_size=2)
    assert config.run.method == "drpo"
    assert (config.reset.reset_depth, config.reset.reset_prob) == ("per_prompt", 1.0)
    assert (config.ppo.advantage, config.ppo.group_size) == ("grpo", 2)
    assert config.replace(method="ppo").reset.reset_prob == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_a_method_is_found_again_in_its_settings(name):
    config = RunConfig.of(data="d", policy="p", method=name)
    assert reset_methods.name_of(config) == name
    for language in ("en", "ja"):
        told = reset_methods.about(name).text(language), reset_methods.differs(name).text(language)
        assert all(told)
    number = reset_methods.METHODS[name].paper.rpartition("/")[2]
    assert number in str(reset_methods.differs(name))
