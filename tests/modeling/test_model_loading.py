"""What others saved: damaged files are told apart, and two loads at once keep their formats."""

import shutil
import sys
import threading

import pytest
import torch

from drpo.errors import ModelError
from drpo.modeling.model_loading import load_causal
from drpo.modeling.reward_model import load_reward_model


@pytest.fixture
def busy():
    """Threads take turns as often as they can, so that two loads do meet."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("busy")
def test_models_loaded_at_once_in_two_formats_keep_each_its_own(model_folder, reward_folder):
    policy = model_folder("llama")
    together = threading.Barrier(2)
    wrong = []

    def load(dtype):
        together.wait()
        for _ in range(12):
            loaded = (
                load_causal(policy, dtype=dtype),
                load_reward_model(reward_folder, dtype=dtype),
            )
            for model in loaded:
                formats = {weight.dtype for weight in model.parameters()}
                if formats != {dtype}:
                    wrong.append((dtype, formats))

    threads = [
        threading.Thread(target=load, args=(dtype,)) for dtype in (torch.float32, torch.bfloat16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert torch.get_default_dtype() == torch.float32


def test_weights_that_are_cut_short_are_refused_by_name(model_folder, tmp_path):
    folder = shutil.copytree(model_folder(), tmp_path / "copy")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=f"{folder}: expected a causal language model"):
        load_causal(folder)


def test_attention_runs_on_kernels_that_are_right_for_masked_rows_and_quick_for_new_shapes():
    backends = torch.backends.cuda
    assert not backends.cudnn_sdp_enabled()
    assert backends.flash_sdp_enabled()
    assert backends.mem_efficient_sdp_enabled()
    assert backends.math_sdp_enabled()
