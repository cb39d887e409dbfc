"""The one-file DR-PO is the library's DR-PO: the same first update, weight for weight."""

import ast
import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from toy import RecordingObserver, toy_pairs

from drpo.config.run_config import RunConfig
from drpo.modeling import linear
from drpo.modeling.models import load_models
from drpo.rl import trainer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Everything that decides an update, so that no default may change under the comparison.
SHARED = {
    "seed": 3,
    "updates": 1,
    "episodes_per_update": 16,
    "response_length": 8,
    "temperature": 0.9,
    "missing_eos_penalty": -1.0,
    "reset_prob": 0.5,
    "kl_coef": 0.2,
    "learning_rate": 1e-3,
    "adam_eps": 1e-5,
    "max_grad_norm": 1.0,
    "num_ppo_epochs": 2,
    "num_mini_batches": 1,
    "cliprange": 0.2,
    "cliprange_value": 0.2,
    "gamma": 0.98,
    "lam": 0.95,
}
OF_THE_LIBRARY = {
    "method": "drpo",
    "device": "cpu",
    "dtype": "float32",
    "lora_rank": 0,
    "gradient_checkpointing": False,
    "reward_source": "model",
    "advantage": "gae",
    # The example has the authors' critic: one step size and lambda, score units, no head start.
    "critic_init": "policy",
    "critic_learning_rate": 1e-3,
    "critic_mini_batches": None,
    "critic_warmup_steps": 0,
    "kl_estimator": "k1",
    "critic_scaling": False,
    "missing_eos": "replace",
    "micro_batch_size": 16,
    "lr_schedule": "linear",
    "kl_schedule": "constant",
    "reset_schedule": "constant",
    "reset_source": "chosen",
    "reset_filter": "none",
    "reset_min_prefix": 0,
    "whiten_rewards": False,
    "max_prompt_length": 40,
    "eval_prompts": 2,
    "sample_prompts": 1,
}
PAIRS = 10  # fewer than episodes, so that an update takes rows of two passes over the data


@pytest.fixture(scope="module")
def minimal():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("minimal_drpo", EXAMPLES / "minimal_drpo.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def train_both(minimal, model_folder, reward_folder, tmp_path):
    """Return a function that trains the example and the library and gives both sets of weights."""

    def train(**settings):
        shared = SHARED | settings
        policy, reward = str(model_folder("llama")), str(reward_folder)
        data = tmp_path / "pairs.jsonl"
        pairs = toy_pairs(PAIRS)
        rows = ({"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected} for p in pairs)
        data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        own = minimal.Args(data=str(data), policy=policy, reward_model=reward, **shared)
        example = minimal.train(own).state_dict()
        places = {"data": str(data), "policy": policy, "reward_model": reward}
        config = RunConfig.of(**places, **shared, **OF_THE_LIBRARY, critic_lam=shared["lam"])
        models = load_models(config)
        before = {name: weight.clone() for name, weight in models.policy.state_dict().items()}
        trainer.train(
            models,
            pairs,
            toy_pairs(4, first=90),
            config,
            RecordingObserver(),
            checkpoint_dir=tmp_path,
        )
        library = models.policy.state_dict()
        assert example.keys() == library.keys()
        assert any(not torch.equal(library[name], before[name]) for name in before)
        return example, library

    return train


@pytest.mark.parametrize("settings", [{}, {"reset_prob": 1.0}, {"reset_prob": 0.0, "lam": 1.0}])
def test_the_first_update_is_the_librarys_to_the_last_bit(train_both, settings):
    example, library = train_both(**settings)
    for name, weight in library.items():
        torch.testing.assert_close(example[name], weight, rtol=0, atol=0)


@pytest.mark.skipif(not linear.WIDER, reason="this processor has no wider vectors")
def test_wider_vectors_change_nothing_but_rounding(train_both, monkeypatch):
    # Products of this small model are multiplied as the example's otherwise.
    monkeypatch.setattr(linear, "WORTHWHILE", 0)
    example, library = train_both()
    for name, weight in library.items():
        torch.testing.assert_close(example[name], weight, rtol=1e-4, atol=1e-5)


def test_further_updates_in_minibatches_are_the_librarys_within_rounding(train_both):
    # A minibatch is padded to the update's longest row there and to its own here.
    example, library = train_both(updates=3, num_mini_batches=2)
    for name, weight in library.items():
        torch.testing.assert_close(example[name], weight, rtol=1e-4, atol=1e-5)


def test_another_setting_gives_other_weights(train_both):
    # What the comparison above would miss if the example ignored its settings.
    (one, _), (other, _) = train_both(), train_both(kl_coef=5.0, num_ppo_epochs=4)
    assert any(not torch.allclose(one[name], other[name], atol=1e-5) for name in one)


def test_it_is_one_file_of_at_most_310_lines_that_needs_torch_and_transformers_alone():
    text = (EXAMPLES / "minimal_drpo.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 310
    nodes = list(ast.walk(ast.parse(text)))
    imported = {
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    imported = {name.split(".")[0] for name in imported}
    assert imported - sys.stdlib_module_names == {"torch", "transformers"}
