"""A run shared by two or three ranks is the run of one, within float32 rounding."""

import os
from functools import partial

import pytest
import torch
from ranks import needs_fork, on_ranks
from safetensors.torch import load_file
from toy import RecordingObserver, toy_config, toy_pairs

from drpo.modeling.models import load_models
from drpo.rl import checkpoint
from drpo.rl.checkpoint_folders import folder_name
from drpo.rl.credit import assign_credit
from drpo.rl.critic_updates import critic_gradients
from drpo.rl.minibatches import add_gradients, split_minibatches, tokens_of
from drpo.rl.ppo import old_policy_stats, policy_gradients
from drpo.rl.rollout import pack
from drpo.rl.sampling import Sampling
from drpo.rl.trainer import train
from drpo.stages import train_dpo, train_reward_model, train_sft
from drpo.types import Control

pytestmark = needs_fork

PAIRS, HELDOUT = toy_pairs(24), toy_pairs(7, 90)
ROUNDING = 2e-5
"""Of a figure, or of a tensor's largest entry."""
LONG = os.environ.get("DRPO_TORTURE") == "1"


def assert_near(found, expected, name=""):
    assert found.shape == expected.shape, name
    most = float(expected.abs().max())
    assert float((found - expected).abs().max()) <= ROUNDING * most, name


def assert_same_figures(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if not name.startswith(("timing", "eps")):
            assert found[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name


@pytest.fixture
def configure(model_folder, reward_folder):
    return partial(toy_config, model_folder(), reward_folder)


def random_episodes(count):
    generator = torch.Generator().manual_seed(5)

    def tokens(most):
        length = int(torch.randint(1, most, (1,), generator=generator))
        return torch.randint(2, 258, (length,), generator=generator).tolist()

    sampling = Sampling(length=9, temperature=1.0, stops=(1,), pad=0, batch_size=8)
    return pack([tokens(12) for _ in range(count)], [tokens(10) for _ in range(count)], sampling)


def test_gradients_are_means_over_the_whole_minibatch(configure, tmp_path):
    asked = configure(micro_batch_size=3, num_ppo_epochs=1, critic_init="reward_model")

    def gradients(ranks):
        models, rollout = load_models(asked), random_episodes(11)
        epochs = split_minibatches(rollout, asked, 0, ranks=ranks.size)
        old = old_policy_stats(models, rollout, epochs, asked)
        credit = assign_credit(torch.linspace(-1, 1, 11), old, rollout.acted, asked, 0.1)
        seen, (minibatch,) = (models, rollout, old, credit), epochs[0]
        found = {}
        for part, add in (
            ("policy", partial(policy_gradients, *seen, minibatch, asked, 0.1)),
            ("critic", partial(critic_gradients, models.critic, *seen, minibatch, asked)),
        ):
            weights = {n: one for n, one in models.trained().items() if n.startswith(part)}
            tokens = tokens_of(rollout, minibatch)
            found[part] = add_gradients(weights, models.precision, tokens, add, ranks)
            found |= {n: one.grad for n, one in weights.items() if one.grad is not None}
        return found | {"log-probs": old.log_probs, "values": old.values}

    (alone,) = on_ranks(1, gradients, tmp_path)
    assert alone["policy"]["tokens"] == int(random_episodes(11).acted.sum())
    assert max(float(one.abs().max()) for n, one in alone.items() if "critic." in n) > 0
    for size in (2, 3):
        ranks = on_ranks(size, gradients, tmp_path)
        for found in ranks:
            assert found.keys() == alone.keys()
            for name, expected in alone.items():
                if isinstance(expected, dict):
                    assert found[name] == pytest.approx(expected, rel=1e-5, abs=1e-5)
                else:
                    assert_near(found[name], expected, name)
                    assert torch.equal(found[name], ranks[0][name]), name


WAYS = {
    "critic": {
        "advantage": "gae",
        "critic_pretraining_epochs": 0.5,
        "kl_schedule": "adaptive",
        "reset_depth": "per_prompt",
        "reset_filter": "coverage",
        "hint_weight": 0.01,
    },
    "groups": {
        "advantage": "rloo",
        "group_size": 2,
        "reset_schedule": "adaptive",
        "zero_spread_groups": "resample",
        "reset_source": "failures",
        "lora_rank": 2,
    },
}


def trained(ranks, asked, folder, *, resume=None, until=None):
    """A run on this rank; what it said, its weights and what it remembers."""
    controls = {until: Control(stop=True)} if ranks.rank == 0 else {}
    observer, models = RecordingObserver(controls), load_models(asked)
    state = None if resume is None else checkpoint.load(resume, models, asked)
    state = train(models, PAIRS, HELDOUT, asked, observer, checkpoint_dir=folder, state=state)
    weights = {name: weight.detach() for name, weight in models.trained().items()}
    remembered = (state.curriculum.state(), state.kl.state(), state.reset.state(), state.step)
    return observer, weights, remembered


def told(observer):
    return [
        (one.step, one.kind, one.item, one.prompt, one.prefix, one.response, one.finished)
        for one in observer.kept_samples
    ]


@pytest.mark.parametrize(
    ("way", "sizes"), [("critic", (2, 3) if LONG else (3,)), ("groups", (2, 3) if LONG else (2,))]
)
def test_any_number_of_ranks_draws_the_same_episodes_and_learns_the_same(
    way, sizes, configure, tmp_path
):
    asked = configure(updates=3, learning_rate=1e-4, **WAYS[way])
    ((alone, weights, remembered),) = on_ranks(
        1, lambda ranks: trained(ranks, asked, tmp_path / "1"), tmp_path
    )
    assert len(told(alone)) > 24
    for size in sizes:
        folder = tmp_path / str(size)
        ranks = on_ranks(size, lambda ranks, folder=folder: trained(ranks, asked, folder), tmp_path)
        for observer, found, state in ranks:
            assert told(observer) == told(alone)
            for step, figures in alone.metrics_at.items():
                assert_same_figures(observer.metrics_at[step], figures)
            for name, expected in weights.items():
                assert torch.equal(found[name], ranks[0][1][name]), name
                torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=2e-5)
            assert repr(state) == repr(ranks[0][2])
        assert (folder / folder_name(3) / "state.json").is_file()
    assert remembered[3] == 3


def test_a_checkpoint_goes_on_with_another_number_of_ranks(configure, tmp_path):
    asked = configure(updates=6, learning_rate=1e-4, checkpoint_every=2, advantage="grpo")
    ((straight, weights, _),) = on_ranks(
        1, lambda ranks: trained(ranks, asked, tmp_path / "straight"), tmp_path
    )
    folder, resume, heard = tmp_path / "moved", None, []
    for size, until in ((2, 2), (1, 4), (3, 6)):
        work = partial(trained, asked=asked, folder=folder, resume=resume, until=until)
        found = on_ranks(size, work, tmp_path)
        heard += [one for one in told(found[0][0]) if one[1] == "episode"]
        resume = folder / folder_name(until)
    assert heard == [one for one in told(straight) if one[1] == "episode"]
    for name, expected in weights.items():
        torch.testing.assert_close(found[0][1][name], expected, rtol=1e-3, atol=2e-5)


class Stopping(RecordingObserver):
    """Asks to stop once training has taken so many passes since the second update began."""

    def __init__(self, after):
        super().__init__()
        self.left, self.begun = after, False

    def control(self, step: int) -> Control:
        self.begun = step == 1
        return super().control(step)

    def should_stop(self) -> bool:
        self.left -= self.begun
        return self.left < 0


@pytest.mark.parametrize("after", [2, 14] if LONG else [14])
def test_a_stop_that_the_first_rank_hears_gives_the_update_up_on_all(after, configure, tmp_path):
    asked = configure(updates=3)

    def work(ranks):
        observer = Stopping(after) if ranks.rank == 0 else RecordingObserver()
        models = load_models(asked)
        state = train(models, PAIRS, HELDOUT, asked, observer, checkpoint_dir=tmp_path / "run")
        return state.step, models.weights_hash(), sorted(observer.metrics_at)

    first, second = on_ranks(2, work, tmp_path)
    assert first[:2] == second[:2]
    assert (first[0], first[2]) == (1, [0, 1])
    assert (tmp_path / "run" / folder_name(1) / "state.json").is_file()


@pytest.mark.parametrize("stage", [train_sft, train_reward_model, train_dpo])
def test_a_stage_learns_the_same_on_any_number_of_ranks(stage, configure, tmp_path):
    asked = configure(
        sft_epochs=2, sft_batch_size=5, rm_epochs=2, rm_batch_size=5, dpo_epochs=2, dpo_batch_size=5
    ).replace(sft_learning_rate=1e-4, rm_learning_rate=1e-4, dpo_learning_rate=1e-4)

    def work(ranks):
        out = tmp_path / f"{stage.__name__}-{ranks.size}"
        steps = []

        def progress(_stage, _done, _total, figures):
            steps.append(figures)

        result = stage(asked, PAIRS, out, heldout=HELDOUT, progress=progress)
        return result.metrics, steps, load_file(out / "model.safetensors")

    ((metrics, steps, weights),) = on_ranks(1, work, tmp_path)
    assert len(steps) == 10
    for size in (2, 3) if LONG else (2,):
        for found in on_ranks(size, work, tmp_path):
            assert_same_figures(found[0], metrics)
            # At DPO's first step all margins are 0, and rounding decides which are above.
            for mine, expected in zip(found[1][1:], steps[1:], strict=True):
                assert_same_figures(mine, expected)
            for name, expected in weights.items():
                torch.testing.assert_close(found[2][name], expected, rtol=1e-3, atol=2e-5)
