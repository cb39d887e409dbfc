"""A run whose newest files were damaged goes on from what is whole, and says so."""

import pytest
from runs import small_config

from drpo.runs import event_words, worker
from drpo.store import run_folder
from drpo.system import control


@pytest.fixture
def ended(store, tmp_path, model_folder, reward_folder):
    """A finished run, with the bytes of its weights."""
    made = small_config(
        tmp_path, model_folder(), reward_folder, updates=5, checkpoint_every=2, sft_epochs=1.0
    )
    run = store.runs.create(made)
    assert worker.execute(run.id, store) == "finished"
    return run.id, weights_of(run.id)


def weights_of(run_id):
    newest = run_folder(run_id) / "checkpoints" / "step-000005"
    return {path.name: path.read_bytes() for path in newest.rglob("*.safetensors")}


def garble(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def go_on(store, run_id):
    store.runs.change(run_id, status="interrupted")
    control.resume(store, run_id)
    assert worker.execute(run_id, store) == "finished"
    return list(store.events.since(run_id, kinds=("note",)))


def test_a_damaged_checkpoint_is_done_again_to_the_same_bytes(store, ended):
    run_id, weights = ended
    garble(run_folder(run_id) / "checkpoints" / "step-000005" / "optimizer.safetensors")
    (told,) = go_on(store, run_id)
    assert told.payload["folder"] == "step-000005"
    assert "step-000005 is damaged: optimizer.safetensors" in event_words.describe(told)
    assert weights_of(run_id) == weights


def test_a_damaged_model_of_a_stage_is_trained_again_to_the_same_bytes(store, ended):
    run_id, weights = ended
    model = run_folder(run_id) / "models" / "sft" / "model.safetensors"
    sound = model.read_bytes()
    garble(model)
    (told,) = go_on(store, run_id)
    assert told.payload["stage"] == "sft"
    assert model.read_bytes() == sound
    assert weights_of(run_id) == weights


def test_a_run_without_a_whole_checkpoint_ends_with_a_sentence(store, ended):
    run_id, _ = ended
    for step in (4, 5):
        garble(run_folder(run_id) / "checkpoints" / f"step-{step:06d}" / "state.json")
    store.runs.change(run_id, status="interrupted")
    control.resume(store, run_id)
    assert worker.execute(run_id, store) == "failed"
    assert "state.json is not what was written" in store.runs.get(run_id).error
