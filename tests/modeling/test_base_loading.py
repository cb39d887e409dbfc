"""A quantised base below adapters: on the processor here, where bitsandbytes is installed."""

import pytest
import torch
from conftest import tiny_model
from toy import RecordingObserver, toy_config, toy_pairs, tuned_adapter

from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError, ModelError
from drpo.modeling import base_loading
from drpo.modeling.model_loading import load_causal
from drpo.modeling.models import load_models, load_to_evaluate
from drpo.modeling.reward_model import load_reward_model
from drpo.modeling.shared_base import CRITIC, POLICY, REWARD
from drpo.rl.trainer import train
from drpo.runs import preflight
from drpo.stages import train_dpo, train_reward_model

LEARNS = {"device": "auto", "lora_rank": 4, "learning_rate": 1e-3, "rm_learning_rate": 1e-2}


def test_a_quantised_base_needs_adapters_and_a_gpu(model_folder, monkeypatch):
    asked = {"data": "x", "policy": str(model_folder()), "quantize_base": "4bit"}
    with pytest.raises(ConfigError, match="lora_rank is 0, which trains all weights; set lora_ra"):
        RunConfig.of(**asked)
    with pytest.raises(ConfigError, match="computes on a GPU, and device is 'cpu'; choose a GPU"):
        RunConfig.of(**asked, lora_rank=8, device="cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ConfigError, match="no NVIDIA GPU is seen here; set quantize_base to 'none"):
        preflight.check(RunConfig.of(**asked, lora_rank=8))


def test_what_quantises_is_asked_for_by_name(model_folder, reward_folder, monkeypatch):
    monkeypatch.setattr(base_loading.importlib.util, "find_spec", lambda _name: None)
    config = toy_config(model_folder(), reward_folder, quantize_base="8bit", **LEARNS)
    with pytest.raises(ConfigError, match=r"pip install 'drpo\[quantize\]'"):
        load_models(config)


@pytest.fixture
def start(byte_tokenizer, tmp_path):
    """A start model whose layers are wide enough for 4 bits."""
    pytest.importorskip("bitsandbytes")
    folder = tmp_path / "start"
    tiny_model("llama", hidden_size=64, intermediate_size=128).save_pretrained(folder)
    byte_tokenizer.save_pretrained(folder)
    return folder


def settings(start, **values):
    return toy_config(start, start, updates=1, eval_every=1, **LEARNS, **values)


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_adapters_on_a_quantised_base_are_merged_into_whole_weights(bits, start, tmp_path):
    config = settings(start, quantize_base=bits)
    trained = train_reward_model(config, toy_pairs(8), tmp_path / "reward", model=start).folder
    judge, whole = load_reward_model(trained).classifier.base_model, load_causal(start).base_model
    moved = judge.layers[0].mlp.up_proj.weight - whole.layers[0].mlp.up_proj.weight
    # Rounding to few bits would move everything: it would have full rank.
    assert 0 < int(torch.linalg.matrix_rank(moved, rtol=1e-3)) <= 4
    assert torch.equal(judge.embed_tokens.weight, whole.embed_tokens.weight)
    models = load_models(config.replace(reward_model=str(trained)))
    few = [one for one in models.shared.base_weights().values() if one.dtype != torch.float32]
    assert len(few) == 2 * 7


def test_all_networks_learn_on_one_quantised_base(start, tmp_path):
    """In 8 bits: of 4, bitsandbytes learns on a GPU alone."""
    config = settings(start, quantize_base="8bit", critic_init="reward_model")
    reward = train_reward_model(config, toy_pairs(8), tmp_path / "reward", model=start).folder
    models = load_models(config.replace(reward_model=str(reward)))
    assert set(models.shared.network.peft_config) == {POLICY, REWARD, CRITIC}
    before = {name: weight.detach().clone() for name, weight in models.trained().items()}
    observer = RecordingObserver()
    train(models, toy_pairs(8), toy_pairs(3, 90), config, observer, checkpoint_dir=tmp_path)
    for part in ("policy", "critic"):
        names = [name for name in before if name.startswith(part)]
        assert any(not torch.equal(models.trained()[name], before[name]) for name in names)
    tuned = train_dpo(config, toy_pairs(8), tmp_path / "dpo", model=start).folder
    measured = load_to_evaluate(config, start=start, reward_model=reward)
    measured.answer_as(tuned)
    assert set(measured.shared.network.peft_config) == {POLICY, REWARD}


def test_an_adapter_is_no_base_to_quantise(model_folder, reward_folder, tmp_path):
    pytest.importorskip("bitsandbytes")
    tuned = tuned_adapter(tmp_path / "tuned", model_folder())
    with pytest.raises(ModelError, match=r"expected whole weights\. Merge it first"):
        load_models(toy_config(tuned, reward_folder, quantize_base="8bit", **LEARNS))
