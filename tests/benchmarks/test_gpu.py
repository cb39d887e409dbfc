"""The GPU benchmark works; how fast it is, is nobody's business here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy import RecordingObserver

import drpo
from benchmarks.gpu.ceilings import decoding_bytes, layer_weights, work_of
from benchmarks.gpu.material import SHAPES, make_models, make_pairs
from benchmarks.gpu.update import draw, improve
from drpo.modeling.models import load_models
from drpo.rl.checkpoint import TrainState
from drpo.rl.trainer import train

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


def benchmark(out: Path, *words: str) -> dict:
    command = [sys.executable, "-m", "benchmarks.gpu", "--quick", "--device", "cpu", *words]
    done = subprocess.run(
        [*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (out / "gpu.md").read_text(encoding="utf-8") in done.stdout
    return json.loads((out / "gpu.json").read_text(encoding="utf-8"))


def test_every_measurement_works(tmp_path):
    found = benchmark(tmp_path, "--part", "speed", "--shapes", "Llama|Pythia")
    assert not [row for row in found["rows"] if "error" in row]
    kinds = [row["kind"] for row in found["rows"]]
    assert kinds.count("load") == 2
    assert kinds.count("profile") == 1
    batches, *filled = [row for row in found["rows"] if row["kind"] == "slots"]
    for row in filled:  # the same draws; bfloat16 rounds a few to other tokens
        assert row["written"] == pytest.approx(batches["written"], rel=0.2)
    assert min(row["steps"] for row in filled) < batches["steps"]
    assert {row["advantage"] for row in found["rows"] if row["kind"] == "update"} == {"gae", "rloo"}


def test_formats_are_held_against_float32(tmp_path):
    rows = benchmark(tmp_path, "--part", "formats")["rows"]
    seen = {row["format"]: row["correlation"] for row in rows}
    assert seen["float16"] > 0.9 > seen["bfloat16"]


def test_steps_of_the_smoke_test_work(tmp_path):
    wanted = "float32 as|resumed, LoRA|DPO, LoRA|playground|memory"
    found = benchmark(tmp_path, "--part", "smoke", "--steps", wanted)
    assert len(found["steps"]) == 6
    assert all(step["ok"] for step in found["steps"])


def test_a_step_that_fails_is_a_line_and_ends_nothing(tmp_path):
    command = [sys.executable, "-m", "benchmarks.gpu", "--quick", "--device", "cpu"]
    words = ["--part", "smoke", "--seconds", "0", "--out", str(tmp_path)]
    done = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.count("not tried: out of time") >= 20


@pytest.mark.parametrize("advantage", ["gae", "rloo"])
def test_what_is_measured_is_the_update_that_training_makes(tmp_path, advantage):
    shape = SHAPES[1].tiny()
    policy, reward = make_models(shape, tmp_path, CPU, torch.float32)
    pairs = make_pairs(12, shape, (3, 8), (4, 8))
    config = drpo.RunConfig.of(
        data="pairs",
        policy=str(policy),
        reward_model=str(reward),
        device="cpu",
        advantage=advantage,
        updates=1,
        episodes_per_update=8,
        micro_batch_size=4,
        response_length=6,
        learning_rate=1e-3,
        eval_prompts=2,
        critic_warmup_steps=2,
    )
    trained, measured = load_models(config), load_models(config)
    before = measured.weights_hash()
    train(trained, pairs, pairs[:2], config, RecordingObserver(), checkpoint_dir=tmp_path / "c")
    if advantage != "gae":
        assert measured.critic is None
    state = TrainState.begin(measured, config)
    took = improve(measured, draw(measured, pairs, config, step=0).experience, state, config, 0)
    assert ("critic" in took) == (advantage == "gae")
    assert before != measured.weights_hash() == trained.weights_hash()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_weights_of_a_layer_are_those_of_the_real_architecture(shape):
    tiny = shape.tiny()
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(tiny.config())
    named = dict(model.named_parameters())
    layers = sum(w.numel() for n, w in named.items() if w.dim() == 2 and "layers." in n)
    assert layers == tiny.layers * layer_weights(tiny)


def test_work_is_counted_as_by_hand():
    shape = SHAPES[1].tiny()  # 2 layers, width 32, 300 words; keys and values of 2 heads of 8
    layer = 32 * 32 * 2 + 32 * 32 + 3 * 32 * 64
    assert layer_weights(shape) == layer
    work = work_of(shape, [3, 5], acted=4)
    assert work.linear == 2 * 2 * layer * 8
    # A token is multiplied with itself and all before it, for scores and again for the mixture:
    # half of the square, twice, 2 operations each.
    assert work.attention == 2 * 32 * 2 * (9 + 25)
    assert work.head == 2 * 300 * 32 * 4
    assert work.learning_all == 3 * work.forward


def test_decoding_reads_weights_once_a_step_and_the_cache_as_it_grows():
    shape = SHAPES[1].tiny()
    model = torch.nn.Linear(10, 1, bias=False)  # 40 bytes
    assert shape.tied
    kept = 2 * 32 * 2  # layers, numbers a token, bytes
    # Two batches of one: 2 steps behind the first token, and 1.
    read = decoding_bytes(model, shape, [4, 7], [3, 2], 1)
    assert read == 40 * 3 + kept * (5 + 6 + 8)
