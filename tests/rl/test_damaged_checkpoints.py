"""What a disk did to a checkpoint is seen, and the one before is used."""

import json
import random
import shutil

import pytest
from safetensors.torch import load_file
from test_checkpoint import run_updates
from toy import toy_config

from drpo.errors import CheckpointError
from drpo.files import write_json
from drpo.rl import checkpoint, checkpoint_folders

DAMAGES = 200


@pytest.fixture(scope="module")
def kept(tmp_path_factory, model_folder, reward_folder):
    """The checkpoints of a run of four updates, of which the third and the fourth are full."""
    folder = tmp_path_factory.mktemp("kept")
    run_updates(toy_config(model_folder(), reward_folder, checkpoint_every=3), folder)
    return folder


def flip(path, rng):
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def test_one_bit_turned_anywhere_is_seen_and_the_checkpoint_before_is_used(kept, tmp_path):
    folder = shutil.copytree(kept, tmp_path / "checkpoints")
    newest = folder / "step-000004"
    files = sorted(path for path in newest.rglob("*") if path.is_file())
    rng = random.Random(0)
    for _ in range(DAMAGES):
        path = rng.choice(files)
        sound = path.read_bytes()
        flip(path, rng)
        found = checkpoint_folders.newest_sound(folder)
        assert found.folder is not None, path
        assert found.folder.name == "step-000003", path
        assert "not what was written" in found.damaged["step-000004"]
        path.write_bytes(sound)
    assert checkpoint_folders.newest_sound(folder).folder == newest


@pytest.mark.parametrize("change", ["cut", "gone", "swapped", "list gone", "list of nothing"])
def test_files_that_were_cut_lost_or_exchanged_are_seen(change, kept, tmp_path):
    folder = shutil.copytree(kept, tmp_path / "checkpoints")
    newest, before = folder / "step-000004", folder / "step-000003"
    weights = newest / "policy" / "model.safetensors"
    if change == "cut":
        weights.write_bytes(weights.read_bytes()[:-8])
    elif change == "gone":
        (newest / "critic.safetensors").unlink()
    elif change == "swapped":
        shutil.copy(before / "optimizer.safetensors", newest / "optimizer.safetensors")
    elif change == "list gone":
        (newest / "checksums.json").unlink()
    else:
        write_json(newest / "checksums.json", {})
    assert checkpoint_folders.newest_sound(folder).folder == before


def test_a_checkpoint_without_checksums_is_an_earlier_versions_and_its_ends_are_looked_at(
    kept, tmp_path
):
    folder = shutil.copytree(kept, tmp_path / "checkpoints")
    newest = folder / "step-000004"
    (newest / "checksums.json").unlink()
    state = json.loads((newest / "state.json").read_text())
    del state["checksums"]
    write_json(newest / "state.json", state)
    assert checkpoint_folders.newest_sound(folder).folder == newest
    weights = newest / "optimizer.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    assert checkpoint_folders.newest_sound(folder).folder == folder / "step-000003"


def test_where_every_checkpoint_is_damaged_a_run_refuses_to_begin_anew(kept, tmp_path):
    folder = shutil.copytree(kept, tmp_path / "checkpoints")
    for step in (3, 4):
        flip(folder / f"step-{step:06d}" / "optimizer.safetensors", random.Random(step))
    with pytest.raises(CheckpointError, match=r"Every checkpoint .* is damaged .*from a backup"):
        checkpoint_folders.newest_sound(folder)


def test_a_damaged_policy_is_not_exported(kept, model_folder, reward_folder, tmp_path):
    shutil.copytree(kept, tmp_path / "run" / "checkpoints")
    config = toy_config(model_folder(), reward_folder)
    policy = tmp_path / "run" / "checkpoints" / "step-000002" / "policy"
    assert not (policy.parent / "state.json").exists(), "a policy alone"
    flip(policy / "model.safetensors", random.Random(0))
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not what was written"):
        checkpoint.export(tmp_path / "run", tmp_path / "out", config, step=2)
    assert not (tmp_path / "out").exists()
    assert checkpoint.export(tmp_path / "run", tmp_path / "out", config, step=3).is_dir()


def test_the_best_policy_is_kept_however_large(kept, tmp_path):
    for step, score in ((2, 0.1), (4, 0.9), (6, 0.5), (8, 0.3), (10, 0.2)):
        folder = shutil.copytree(kept / "step-000004", tmp_path / f"step-{step:06d}")
        write_json(folder / "score.json", {"score": score})
        checkpoint_folders.thin(tmp_path, keep_policies=False)
    assert list(checkpoint_folders.policies(tmp_path)) == [4, 8, 10]
    best = tmp_path / "step-000004"
    assert load_file(best / "policy" / "model.safetensors")
    assert not (best / "optimizer.safetensors").exists()


def test_a_checkpoint_of_evaluated_weights_says_their_score(kept):
    assert (kept / "step-000004" / "score.json").is_file()
    assert not (kept / "step-000003" / "score.json").is_file(), "evaluated at 2 and 4"
