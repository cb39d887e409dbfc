"""Workers allocate with tcmalloc where the system has it, and compute the same with it."""

import os
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest

from drpo.config.run_config import RunConfig
from drpo.executors.process import start_worker
from drpo.system import allocator

needs_library = pytest.mark.skipif(
    find_library(allocator.LIBRARY) is None, reason="tcmalloc is not installed"
)
SUMS = """
import torch
torch.set_num_threads(1)
made = torch.Generator().manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(700, 900), torch.nn.GELU(), torch.nn.Linear(900, 700))
for weight in net.parameters():
    torch.nn.init.normal_(weight, std=.05, generator=made)
for _ in range(3):
    net(torch.randn(1200, 700, generator=made)).square().mean().backward()
    print(sum(float(weight.grad.double().sum()) for weight in net.parameters()).hex())
print("tcmalloc" in open("/proc/self/maps").read())
"""

FREED = """
import torch
from drpo.system import allocator, memory
before = memory.held()
rows = [torch.ones(1_000_000) for _ in range(100)]
del rows
print(memory.held() - before > 300_000_000)
allocator.release()
print(memory.held() - before < 100_000_000)
"""


@needs_library
def test_what_it_keeps_for_later_is_given_back_when_asked_for(monkeypatch):
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    environment = os.environ | allocator.preload()
    words = [sys.executable, "-c", FREED]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


@needs_library
def test_a_process_with_it_computes_the_same_to_the_last_bit(monkeypatch):
    monkeypatch.delenv("LD_PRELOAD", raising=False)

    def lines(environment):
        words = [sys.executable, "-c", SUMS]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    *plain, without = lines(dict(os.environ))
    *preloaded, with_it = lines(os.environ | allocator.preload())
    assert (without, with_it) == ("False", "True")
    assert preloaded == plain


@needs_library
def test_a_worker_has_it(store, monkeypatch):
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    run = store.runs.create(RunConfig.of(data="none.jsonl", policy="none"))
    worker = start_worker(store, run.id, "cpu")
    try:
        told = ""
        while not told and worker.poll() is None:  # a process that only begins has none yet
            told = Path(f"/proc/{worker.pid}/environ").read_text(encoding="utf-8")
        assert "LD_PRELOAD=libtcmalloc" in told
    finally:
        worker.kill()
        worker.wait()


def test_what_somebody_preloads_already_stays(monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", "")
    before = dict(allocator.preload())
    monkeypatch.setenv("LD_PRELOAD", "libjemalloc.so.2")
    assert allocator.preload() == {}
    assert set(before) <= {"LD_PRELOAD"}
