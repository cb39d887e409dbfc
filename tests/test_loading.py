"""Two runs in threads of one process load their models without touching each other's."""

import sys
import threading

import pytest
import torch

from drpo.models import load_causal
from drpo.reward_model import load_reward_model


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
