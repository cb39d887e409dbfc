"""One base, many adapters: each network computes as it would with weights of its own."""

import shutil
from dataclasses import replace

import pytest
import torch
from toy import RecordingObserver, toy_config, toy_pairs

from drpo.errors import ModelError
from drpo.modeling.adapter_files import BESIDE
from drpo.modeling.adapters import with_adapters
from drpo.modeling.critic import Critic, critic_from_policy, critic_from_reward
from drpo.modeling.dropout import settle
from drpo.modeling.model_loading import load_causal
from drpo.modeling.models import load_models, load_to_evaluate
from drpo.modeling.scorers import Completion
from drpo.modeling.shared_base import CRITIC, POLICY, REWARD, SharedBackbone
from drpo.rl import checkpoint
from drpo.rl.micro_batches import micro_batch
from drpo.rl.rollout import Sampling, pack
from drpo.rl.scoring import action_log_probs, action_logits, action_values
from drpo.rl.trainer import train
from drpo.stages import train_dpo, train_reward_model

LEARNS = {
    "lora_rank": 4,
    "learning_rate": 1e-2,
    "rm_learning_rate": 1e-2,
    "updates": 3,
    "eval_every": 3,
    "checkpoint_every": 3,
    "critic_warmup_steps": 4,
}
ANSWERS = [
    Completion(tuple(range(40, 44)), (60, 61, 1), "", "", finished=True),
    Completion((50,), (62, 63, 64, 65), "", "", finished=False),
]


@pytest.fixture(scope="module")
def start(model_folder):
    return model_folder()


@pytest.fixture(scope="module")
def trained_here(start, tmp_path_factory):
    """A reward model that a run's own stage trained through adapters on its start policy."""
    config = toy_config(start, start, rm_epochs=2.0, **LEARNS)
    out = tmp_path_factory.mktemp("run") / "reward_model"
    return train_reward_model(config, toy_pairs(16), out, model=start).folder


@pytest.fixture(scope="module")
def whole(trained_here, tmp_path_factory):
    """The same reward model as whole weights, which nobody can share."""
    folder = tmp_path_factory.mktemp("whole") / "reward_model"
    return shutil.copytree(trained_here, folder, ignore=shutil.ignore_patterns(BESIDE))


def with_copies(config):
    """The run's networks, each with weights of its own."""
    models = load_models(config.replace(critic_init="policy"))
    if config.critic.critic_init == "policy":
        critic = critic_from_policy(config.models.policy, torch.float32)
    else:
        critic = critic_from_reward(config.models.reward_model, torch.float32)
    critic.backbone = with_adapters(critic.backbone, config, purpose="critic adapter")
    settle(critic, checkpointing=config.models.gradient_checkpointing)
    return replace(models, critic=critic)


def some_episodes():
    sampling = Sampling(length=9, temperature=1.0, stops=(1,), pad=0, batch_size=8)
    return micro_batch(pack([[40, 41, 42], [50]], [[60, 61], [62, 63, 64]], sampling), [0, 1])


def passes(models):
    """What every network says of the same episodes, in an order that mixes them."""
    part, found = some_episodes(), {}
    with torch.no_grad():
        for again in range(2):
            found |= {
                f"policy {again}": action_logits(models.policy, part, models.precision),
                f"critic {again}": action_values(models.critic, part, models.precision),
                f"reward {again}": models.learned.score(ANSWERS),
            }
            with models.start_policy() as start:
                found[f"start {again}"] = action_logits(start, part, models.precision)
    return found


def bases_of(models):
    """How many numbers of bases are in memory, each counted once however many networks use it."""
    body = models.critic.backbone
    shared = [body.get_base_model()] if isinstance(body, SharedBackbone) else []
    weights = {
        id(weight): weight.numel()
        for network in [*models.networks(), *shared]
        for name, weight in network.named_parameters()
        if "lora_" not in name
    }
    return sum(weights.values())


def three_updates(models, config, folder):
    train(
        models,
        toy_pairs(8),
        toy_pairs(3, 90),
        config,
        RecordingObserver(),
        checkpoint_dir=folder,
    )
    return {name: weight.detach() for name, weight in models.trained().items()} | passes(models)


@pytest.mark.parametrize(
    ("critic_init", "checkpointing"), [("policy", True), ("reward_model", False)]
)
def test_three_updates_on_one_base_are_those_of_copies_bit_for_bit(
    critic_init, checkpointing, start, whole, tmp_path
):
    settings = {"critic_init": critic_init, "gradient_checkpointing": checkpointing, **LEARNS}
    config = toy_config(start, whole, **settings)
    shared, apart = load_models(config), with_copies(config)
    assert bases_of(shared) < 0.75 * bases_of(apart)
    assert list(shared.trained()) == list(apart.trained())
    found = three_updates(shared, config, tmp_path / "shared")
    for name, value in three_updates(apart, config, tmp_path / "apart").items():
        assert torch.equal(value, found[name]), name


def test_three_updates_with_the_reward_model_on_the_base_too_are_the_same_to_rounding(
    start, trained_here, whole, tmp_path
):
    """Its adapter stands apart from the weights that it was merged into."""
    settings = {"critic_init": "reward_model", **LEARNS, "learning_rate": 1e-4}
    config = toy_config(start, trained_here, **settings)
    shared, apart = load_models(config), with_copies(toy_config(start, whole, **settings))
    assert bases_of(shared) < 0.5 * bases_of(apart)
    found = three_updates(shared, config, tmp_path / "shared")
    for name, value in three_updates(apart, config, tmp_path / "apart").items():
        torch.testing.assert_close(found[name], value, atol=2e-4, rtol=2e-3, msg=name)


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox"])
def test_critic_and_policy_on_one_base_are_bit_for_bit_those_of_two(kind, model_folder, whole):
    config = toy_config(model_folder(kind), whole, gradient_checkpointing=True, **LEARNS)
    part, gradients = some_episodes(), []
    for models in (load_models(config), with_copies(config)):
        with torch.no_grad():
            for number, weight in enumerate(models.trained().values()):
                weight.add_(0.01 * (number % 7 - 3))
        with models.learning():
            action_log_probs(models.policy, part, models.precision, 1.0).sum().backward()
            action_values(models.critic, part, models.precision).square().sum().backward()
        found = {name: weight.grad for name, weight in models.trained().items()}
        gradients.append(found | passes(models))
    assert all(value is not None for value in gradients[0].values())
    for name, value in gradients[0].items():
        assert torch.equal(value, gradients[1][name]), name


def test_a_gradient_that_waits_is_computed_below_the_adapters_of_its_pass(start, whole):
    """With activations computed anew, a pass of another network in between changes nothing."""
    models = load_models(toy_config(start, whole, gradient_checkpointing=True, **LEARNS))
    part = some_episodes()
    with torch.no_grad():
        for weight in models.trained().values():
            weight.add_(0.05)

    def gradients(*, between):
        for weight in models.trained().values():
            weight.grad = None
        with models.learning():
            values = action_values(models.critic, part, models.precision).sum()
            if between:
                action_log_probs(models.policy, part, models.precision, 1.0).sum().backward()
            for weight in models.policy_weights().values():
                weight.grad = None
            values.backward()
        return {name: weight.grad for name, weight in models.trained().items()}

    alone, mixed = gradients(between=False), gradients(between=True)
    for name, gradient in alone.items():
        if name.startswith("policy."):
            assert gradient is None and mixed[name] is None  # noqa: PT018
        else:
            assert torch.equal(gradient, mixed[name]), name


def test_who_shares_what(start, trained_here, whole, reward_folder):
    shared = load_models(toy_config(start, trained_here, critic_init="reward_model", **LEARNS))
    assert set(shared.shared.network.peft_config) == {POLICY, REWARD, CRITIC}
    assert isinstance(shared.learned.model.classifier.base_model, SharedBackbone)
    frozen = [w for w in shared.learned.model.parameters() if w.requires_grad]
    assert frozen == []
    # A critic that starts from a reward model of other weights shares these with it.
    foreign = load_models(toy_config(start, whole, critic_init="reward_model", **LEARNS))
    assert set(foreign.shared.network.peft_config) == {POLICY}
    judge = foreign.learned.model.classifier
    assert foreign.critic.backbone.get_base_model() is judge.base_model
    # Nothing is shared where all weights are trained.
    assert load_models(toy_config(start, trained_here)).shared is None
    other = load_models(toy_config(start, reward_folder, **LEARNS))
    assert set(other.shared.network.peft_config) == {POLICY, CRITIC}


def test_a_checkpoint_does_not_tell_what_was_shared(start, trained_here, whole, tmp_path):
    config = toy_config(start, trained_here, **LEARNS)
    apart = with_copies(toy_config(start, whole, **LEARNS))
    state = train(
        apart, toy_pairs(8), toy_pairs(3, 90), config, RecordingObserver(), checkpoint_dir=tmp_path
    )
    folder = tmp_path / "step-000003"
    assert {path.name for path in (folder / "policy").iterdir() if path.is_dir()} == set()
    shared = load_models(config)
    assert checkpoint.load(folder, shared, config).step == state.step
    for name, weight in apart.trained().items():
        assert torch.equal(weight, shared.trained()[name])
    checkpoint.save(shared, state, tmp_path / "again", {})
    for name in ("critic.safetensors", "policy/adapter_model.safetensors"):
        again = tmp_path / "again" / "step-000003" / name
        assert again.read_bytes() == (folder / name).read_bytes()
    assert not (tmp_path / "again" / "step-000003" / "policy" / CRITIC).exists()


def test_an_evaluation_has_one_copy_of_the_base(start, trained_here, whole, tmp_path):
    config = toy_config(start, trained_here, dpo_learning_rate=1e-2, **LEARNS)
    trained = train_dpo(config, toy_pairs(8), tmp_path / "dpo").folder
    found = []
    for reward in (trained_here, whole):
        models = load_to_evaluate(config, start=start, reward_model=reward)
        hashes, part = [models.weights_hash()], some_episodes()
        said = [models.learned.score(ANSWERS)]
        models.answer_as(trained)
        hashes.append(models.weights_hash())
        said.append(models.learned.score(ANSWERS))
        with torch.no_grad():
            said.append(action_logits(models.policy, part, models.precision))
            with models.start_policy() as before:
                said.append(action_logits(before, part, models.precision))
            expected = action_logits(load_causal(start), part, models.precision)
        assert torch.equal(said[-1], expected)
        found.append((hashes, said, models))
    (hashes, said, models), (other_hashes, other_said, _) = found
    assert hashes == other_hashes
    for ours, theirs in zip(said, other_said, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    assert set(models.shared.network.peft_config) == {POLICY, REWARD}
    assert models.critic is None


def test_a_damaged_adapter_is_named_with_its_remedy(start, trained_here, tmp_path):
    folder = shutil.copytree(trained_here, tmp_path / "reward_model")
    file = folder / BESIDE / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"adapter on the start policy in adapter.*delete adapter"):
        load_models(toy_config(start, folder, **LEARNS))
    shutil.rmtree(folder / BESIDE)
    assert isinstance(load_models(toy_config(start, folder, **LEARNS)).critic, Critic)
