"""A run that memory stops is told so, with what would fit; the machine is never taken down."""

import json
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import make_byte_tokenizer
from runs import small_config, wait_until
from transformers import LlamaConfig, LlamaForCausalLM

from drpo.config.run_config import RunConfig
from drpo.files import read_json
from drpo.i18n.format import size as written
from drpo.runs import (
    data_rows,
    estimate,
    event_words,
    memory_fit,
    memory_probe,
    peaks,
    worker_death,
)
from drpo.runs.demo import demo_config
from drpo.runs.supervisor import Supervisor
from drpo.store import run_folder
from drpo.system import memory

GIB, GB = 2**30, 10**9


@pytest.fixture(scope="module")
def broad(tmp_path_factory):
    """A start model of few weights whose micro-batches are large."""
    folder = tmp_path_factory.mktemp("broad")
    config = LlamaConfig(
        vocab_size=258,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        pad_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    make_byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def long_rows(tmp_path):
    """Pairs of about 1,800 tokens each, all of one length."""
    rng = random.Random(0)
    path = tmp_path / "long.jsonl"
    rows = []
    for number in range(12):
        words = ["".join(rng.choices("abcdefgh", k=8)) for _ in range(200)]
        rows.append(
            {"prompt": f"{number:03d}:", "chosen": " ".join(words), "rejected": " ".join(words[1:])}
        )
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def asked(data, model, **settings):
    values = {
        "method": "rm",
        "device": "cpu",
        "lora_rank": 2,
        "max_prompt_length": 1900,
        "response_length": 100,
        "rm_batch_size": 16,
        "rm_epochs": 0.3,
        "heldout_fraction": 0.1,
    }
    return RunConfig.of(data=str(data), policy=str(model), **(values | settings))


def test_the_micro_batch_is_the_largest_that_should_fit(broad, long_rows):
    config = asked(long_rows, broad)
    sizes = [
        memory_fit.chosen(config, int(room * GIB)).ppo.micro_batch_size for room in (64, 6, 3, 0.5)
    ]
    assert sizes[0] == 32
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    for size, room in zip(sizes[:-1], (64, 6, 3), strict=True):
        assert estimate.calculated_memory(config.replace(micro_batch_size=size)) < room * GIB
    # What a person asked for stands.
    assert memory_fit.chosen(config.replace(micro_batch_size=7), GIB).ppo.micro_batch_size == 7


def test_what_is_named_as_fitting_fits_by_calculation(broad, long_rows):
    config = asked(long_rows, broad, micro_batch_size=32)
    for room in (4.0, 2.0, 1.2):
        changes = memory_fit.fitting(config, int(room * GIB))
        assert changes
        assert estimate.calculated_memory(config.replace(**changes)) < room * GIB
    assert memory_fit.fitting(config, GIB // 4) is None


def test_a_try_on_the_longest_rows_shows_what_the_run_then_holds(broad, long_rows, store):
    config = asked(long_rows, broad, micro_batch_size=4, rm_batch_size=2)
    folder = run_folder("tried")
    folder.mkdir(parents=True)
    found = memory_fit.tried(config, folder, 8 * GIB)
    assert (found.stage, found.error) == ("", "")
    run = store.runs.create(config)
    supervisor = Supervisor(store, poll_seconds=0.05)
    supervisor.start()
    ended = wait_until(store, run.id, lambda run: run.status in ("finished", "failed"), 120)
    supervisor.stop()
    assert ended.status == "finished", ended.error
    held = ended.summary["memory"]["reward model"]
    assert found.by_stage["reward model"] == pytest.approx(held, rel=0.15)


def test_a_try_ends_when_it_is_asked_to(broad, long_rows, tmp_path):
    before = psutil.Process().children()
    began = time.monotonic()
    found = memory_fit.tried(
        asked(long_rows, broad), tmp_path, 8 * GIB, stopped=lambda: time.monotonic() > began + 1
    )
    assert found == memory_fit.Tried({})
    assert psutil.Process().children() == before


def test_a_run_stopped_while_it_is_tried_ends_there(broad, long_rows, store, monkeypatch):
    monkeypatch.setenv(memory.LIMIT, "6")
    run = store.runs.create(asked(long_rows, broad, micro_batch_size=16))
    supervisor = Supervisor(store, poll_seconds=0.05)
    supervisor.start()
    wait_until(store, run.id, lambda run: run.stage == "trying what fits", 60)
    store.commands.add(run.id, "stop")
    ended = wait_until(store, run.id, lambda run: run.status in ("stopped", "failed"), 60)
    assert ended.status == "stopped"
    assert list(ended.summary["memory"]) == ["trying what fits"]
    assert "micro_batch_size" not in read_json(run_folder(run.id) / peaks.FILE)
    supervisor.stop()


def test_a_run_that_cannot_fit_is_refused_with_settings_that_do(
    broad, long_rows, store, monkeypatch
):
    monkeypatch.setenv(memory.LIMIT, "1.7")
    run = store.runs.create(asked(long_rows, broad, micro_batch_size=16))
    supervisor = Supervisor(store, poll_seconds=0.05)
    supervisor.start()
    ended = wait_until(store, run.id, lambda run: run.status in ("finished", "failed"), 120)
    supervisor.stop()
    assert ended.status == "failed"
    assert "was not begun" in ended.error
    assert written(1.7 * GB) in ended.error
    assert "training the reward model" in ended.error
    event = store.events.since(run.id, kinds=("error",))[-1]
    assert event.payload["settings"].startswith(("micro_batch_size=", "gradient_checkpointing=on"))
    monkeypatch.setenv("DRPO_LANG", "ja")
    assert "開始しませんでした" in event_words.trouble(ended, [event])


def test_memory_that_runs_out_in_the_middle_is_told_with_stage_peak_and_what_fits(
    broad, long_rows, store, monkeypatch
):
    monkeypatch.setenv(memory.LIMIT, "1.7")
    run = store.runs.create(asked(long_rows, broad, micro_batch_size=16))
    # A run that goes on is not tried again, though less memory may be free now.
    run_folder(run.id).mkdir(parents=True)
    peaks.keep(run_folder(run.id) / peaks.FILE, micro_batch_size=16)
    supervisor = Supervisor(store, poll_seconds=0.05)
    supervisor.start()
    ended = wait_until(store, run.id, lambda run: run.status in ("finished", "failed"), 120)
    supervisor.stop()
    assert ended.status == "failed"
    assert ended.error.startswith("Memory ran out while training the reward model")
    assert f"of the {written(1.7 * GB)}" in ended.error
    assert "micro_batch_size" in ended.error
    assert ended.summary["memory"]["reward model"] < 2.4 * GIB


def test_a_kill_is_told_from_a_kill_for_memory(store, tmp_path, model_folder, reward_folder):
    run = store.runs.create(small_config(tmp_path, model_folder(), reward_folder))
    file = run_folder(run.id) / peaks.FILE
    file.parent.mkdir(parents=True)
    peaks.keep(file, stage="reward model", peak=7 * GB, room=8 * GB)
    end = worker_death.memory_end(run, -signal.SIGKILL, counted=False)
    assert end.payload["how"].startswith("killed_for_memory")
    assert (
        f"training the reward model, at {written(7 * GB)} of the {written(8 * GB)}" in end.sentence
    )
    assert worker_death.memory_end(run, -signal.SIGTERM, counted=True) is None
    assert worker_death.memory_end(run, 1, counted=True) is None
    peaks.keep(file, peak=GIB)
    assert worker_death.memory_end(run, -signal.SIGKILL, counted=False) is None
    assert worker_death.memory_end(run, None, counted=True).payload["peak"] == GIB


def test_freed_blocks_go_back_to_the_system():
    # As a training step does it: many blocks of several MiB, some of which outlive the others.
    script = (
        "import sys, torch; from drpo.system import memory\n"
        "if sys.argv[1] == 'on': memory.give_back_freed()\n"
        "kept = []\n"
        "for step in range(300):\n"
        "    block = torch.ones(2**19 * (1 + step % 5)); kept.append(torch.ones(2**10))\n"
        "    kept.append(block[:1].clone()); del block\n"
        "held = [torch.ones(2**19 * (1 + n % 5)) for n in range(100)]\n"
        "del held\n"
        "print(memory.held())"
    )
    held = {
        word: int(subprocess.check_output([sys.executable, "-c", script, word]))
        for word in ("on", "off")
    }
    assert held["on"] <= held["off"]


def test_the_fullest_micro_batch_is_not_always_that_of_the_longest_row():
    lengths = [1000, 608, 600, 590, 500, 300, 300, 300, 300]
    fullest = memory_probe.fullest_micro_batch
    # Two pairs of 608 take 2,432 tokens, one of 1,000 takes 2,000.
    assert fullest(lengths, 4, 2432, together=2) == [1, 2]
    assert fullest(lengths, 1, 2432, together=2) == [0]
    # Four rows of 608, or eight of 300.
    assert fullest(lengths, 8, 2432, together=1) == [1, 2, 3, 4]
    # A pair beyond what is in memory at once stands alone, and takes most.
    assert fullest([4000, *lengths], 4, 2432, together=2) == [0]
    assert fullest([7], 4, 2432, together=2) == [0]


def test_a_toy_is_fitted_without_a_look_at_its_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(data_rows, "_counted", lambda *_: pytest.fail("rows were read"))
    asked = demo_config(device="cpu")
    fitted = memory_fit.fitted(asked, tmp_path, 8 * GIB)
    assert fitted.ppo.micro_batch_size == asked.ppo.rows_at_once
