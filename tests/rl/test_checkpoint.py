"""Saving and resuming, to the bit; exporting."""

import json
import shutil

import pytest
import torch
from conftest import tiny_model
from safetensors.torch import load_file, save_file
from toy import RecordingObserver, toy_config, toy_pairs
from transformers import AutoModelForCausalLM, AutoTokenizer

from drpo.errors import CheckpointError
from drpo.modeling.models import load_models
from drpo.rl import checkpoint, checkpoint_folders
from drpo.rl.trainer import train
from drpo.types import Control

PAIRS, HELDOUT = toy_pairs(11), toy_pairs(4, 100)


def run_updates(config, folder, listener=None, *, resume=False):
    models = load_models(config)
    newest = checkpoint_folders.latest(folder) if resume else None
    state = checkpoint.load(newest, models, config) if newest else None
    state = train(
        models,
        PAIRS,
        HELDOUT,
        config,
        listener or RecordingObserver(),
        checkpoint_dir=folder,
        state=state,
    )
    return models, state


def assert_same_checkpoint(one, other):
    names = sorted(str(p.relative_to(one)) for p in one.rglob("*") if p.is_file())
    assert names == sorted(str(p.relative_to(other)) for p in other.rglob("*") if p.is_file())
    for name in names:
        if name.endswith(".safetensors"):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert json.loads((one / "state.json").read_text()) == json.loads(
        (other / "state.json").read_text()
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lora_rank": 4},
        {"kl_schedule": "adaptive", "kl_target": 0.01, "reset_schedule": "adaptive"},
        {"reset_source": "rollin", "num_mini_batches": 2},
    ],
    ids=["plain", "lora", "adaptive", "rollin"],
)
def test_a_split_run_equals_a_straight_one_bit_for_bit(
    settings, model_folder, reward_folder, tmp_path
):
    config = toy_config(model_folder(), reward_folder, **settings)
    straight, split = tmp_path / "straight", tmp_path / "split"
    first, second, whole = RecordingObserver(), RecordingObserver(), RecordingObserver()
    run_updates(config, straight, whole)
    first.controls = {3: Control(stop=True)}
    _, stopped = run_updates(config, split, first)
    assert stopped.step == 3
    run_updates(config, split, second, resume=True)
    assert_same_checkpoint(checkpoint_folders.latest(straight), checkpoint_folders.latest(split))
    timeless = {k: v for k, v in whole.metrics_at[4].items() if "timing" not in k and k != "eps"}
    for name, value in timeless.items():
        assert second.metrics_at[4][name] == value or value != value, name
    assert sorted(second.metrics_at) == [4]
    drawn = [s for s in whole.kept_samples if s.step == 4]
    assert [s for s in second.kept_samples if s.step == 4] == drawn


@pytest.fixture
def computing_threads():
    """Return torch's setter; the number of before comes back after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_split_run_equals_a_straight_one_with_any_number_of_threads(
    threads, computing_threads, byte_tokenizer, reward_folder, tmp_path
):
    """The model is wide enough for its sums to be shared between threads."""
    computing_threads(threads)
    model = tmp_path / "model"
    tiny_model("llama", hidden_size=128, intermediate_size=256).save_pretrained(model)
    byte_tokenizer.save_pretrained(model)
    wide = {"episodes_per_update": 64, "micro_batch_size": 64, "eval_prompts": 2}
    config = toy_config(model, reward_folder, updates=3, **wide)
    straight, split = tmp_path / "straight", tmp_path / "split"
    run_updates(config, straight)
    run_updates(config, split, RecordingObserver(controls={2: Control(stop=True)}))
    run_updates(config, split, resume=True)
    assert_same_checkpoint(checkpoint_folders.latest(straight), checkpoint_folders.latest(split))


def test_a_setting_changed_before_the_stop_holds_after_the_resume(
    model_folder, reward_folder, tmp_path
):
    config = toy_config(model_folder(), reward_folder, updates=5)
    change = Control(settings={"kl_coef": 0.7, "reset_prob": 1.0})
    straight, split = tmp_path / "straight", tmp_path / "split"
    run_updates(config, straight, RecordingObserver(controls={1: change}))
    run_updates(config, split, RecordingObserver(controls={1: change, 3: Control(stop=True)}))
    again = RecordingObserver()
    run_updates(config, split, again, resume=True)
    assert again.metrics_at[4]["objective/kl_coef"] == 0.7
    assert again.metrics_at[4]["reset/fraction"] == 1.0
    assert_same_checkpoint(checkpoint_folders.latest(straight), checkpoint_folders.latest(split))


def test_the_optimiser_comes_back_whole(model_folder, reward_folder, tmp_path):
    config = toy_config(model_folder(), reward_folder, updates=2)
    models, state = run_updates(config, tmp_path)
    fresh = load_models(config)
    loaded = checkpoint.load(checkpoint_folders.latest(tmp_path), fresh, config)
    ours, theirs = models.trained(), fresh.trained()
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name])
        for kind, value in state.optimizer.state[weight].items():
            assert torch.equal(loaded.optimizer.state[theirs[name]][kind], value), (name, kind)


@pytest.mark.parametrize("weight", [0.1, 0.0])
def test_a_critic_of_an_earlier_version_goes_on_with_steps_of_the_same_length(
    weight, model_folder, reward_folder, tmp_path
):
    """Its loss was multiplied by a weight, and with it all that Adam keeps of its gradients."""
    config = toy_config(model_folder(), reward_folder, updates=2)
    models, state = run_updates(config, tmp_path)
    folder = checkpoint_folders.latest(tmp_path)
    saved = load_file(folder / "optimizer.safetensors")
    for name in saved:
        if name.startswith("critic."):
            saved[name] *= {"exp_avg": weight, "exp_avg_sq": weight**2}.get(name.split(".")[-1], 1)
    save_file(saved, folder / "optimizer.safetensors")
    critic = load_file(folder / "critic.safetensors")
    earlier = {name: it for name, it in critic.items() if name not in ("mean", "spread")}
    save_file(earlier, folder / "critic.safetensors")
    fresh = load_models(config)
    loaded = checkpoint.load(folder, fresh, config, critic_weight=weight).optimizer.state
    for name, ours in models.trained().items():
        theirs = loaded.get(fresh.trained()[name], {})
        if name.startswith("critic.") and weight == 0:
            assert theirs == {}  # nothing of them is left
            continue
        for kind, value in state.optimizer.state[ours].items():
            torch.testing.assert_close(theirs[kind], value)
    # What this version wrote is taken as it is.
    save_file(critic, folder / "critic.safetensors")
    fresh = load_models(config)
    loaded = checkpoint.load(folder, fresh, config, critic_weight=weight).optimizer.state
    for name, ours in fresh.trained().items():
        assert torch.equal(loaded[ours]["exp_avg"], saved[f"{name}.exp_avg"])


def test_two_full_checkpoints_are_kept_and_small_policies_of_every_evaluation(
    model_folder, reward_folder, tmp_path
):
    config = toy_config(model_folder(), reward_folder, updates=7, eval_every=3, checkpoint_every=2)
    run_updates(config, tmp_path)
    full = [f.name for f in sorted(tmp_path.iterdir()) if (f / "state.json").is_file()]
    assert full == ["step-000006", "step-000007"]
    assert list(checkpoint_folders.policies(tmp_path)) == [0, 2, 3, 4, 6, 7]
    assert not list((tmp_path / "step-000004").glob("*.safetensors"))


def test_large_policies_are_kept_only_where_they_can_be_resumed(
    model_folder, reward_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoint, "SNAPSHOT_LIMIT", 100)
    run_updates(toy_config(model_folder(), reward_folder, updates=5), tmp_path)
    assert list(checkpoint_folders.policies(tmp_path)) == [4, 5]


def test_policies_beyond_the_checkpoint_go_when_a_run_goes_on_from_it(
    model_folder, reward_folder, tmp_path
):
    config = toy_config(model_folder(), reward_folder)
    run_updates(config, tmp_path)
    for stray in (5, 1000000):
        shutil.copytree(tmp_path / "step-000002" / "policy", tmp_path / f"step-{stray:06d}/policy")
    checkpoint_folders.forget_after(tmp_path, 4)
    assert max(checkpoint_folders.policies(tmp_path)) == 4
    checkpoint_folders.forget_after(tmp_path, -1)
    assert checkpoint_folders.policies(tmp_path) == {}


def test_a_half_written_checkpoint_is_not_seen(model_folder, reward_folder, tmp_path):
    config = toy_config(model_folder(), reward_folder)
    run_updates(config, tmp_path)
    good = checkpoint_folders.latest(tmp_path)
    shutil.copytree(good, tmp_path / ".step-000009.part")
    broken = shutil.copytree(good, tmp_path / "step-000008")
    (broken / "optimizer.safetensors").unlink()
    assert checkpoint_folders.latest(tmp_path) == good
    with pytest.raises(CheckpointError, match=r"lacks optimizer\.safetensors"):
        checkpoint.load(broken, load_models(config), config)


def test_a_checkpoint_is_found_whose_replacement_was_cut_off(model_folder, reward_folder, tmp_path):
    run_updates(toy_config(model_folder(), reward_folder, updates=1), tmp_path)
    good = checkpoint_folders.latest(tmp_path)
    # The old folder is out of the way, the new one has not got its name yet.
    shutil.copytree(good, tmp_path / f".{good.name}.part")
    good.rename(tmp_path / f".{good.name}.old")
    assert checkpoint_folders.latest(tmp_path) == good


def test_a_checkpoint_of_other_models_is_refused(model_folder, reward_folder, tmp_path):
    run_updates(toy_config(model_folder(), reward_folder, updates=1), tmp_path)
    other = toy_config(model_folder("gpt2"), reward_folder)
    with pytest.raises(CheckpointError, match="does not hold this run's policy"):
        checkpoint.load(checkpoint_folders.latest(tmp_path), load_models(other), other)


def test_a_checkpoint_of_another_format_is_refused(model_folder, reward_folder, tmp_path):
    config = toy_config(model_folder(), reward_folder, updates=1)
    run_updates(config, tmp_path)
    path = checkpoint_folders.latest(tmp_path) / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(CheckpointError, match="another format"):
        checkpoint.load(path.parent, load_models(config), config)


def test_nothing_is_pickled(model_folder, reward_folder, tmp_path):
    run_updates(toy_config(model_folder(), reward_folder, updates=1), tmp_path)
    kinds = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert kinds <= {".json", ".safetensors", ".jinja", ".txt"}


def greedy(folder, prompt):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([tokenizer(prompt)["input_ids"]])
    written = model.generate(ids, max_new_tokens=8, do_sample=False)
    return tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True)


@pytest.mark.parametrize("rank", [0, 4])
def test_the_exported_folder_writes_what_the_run_s_last_sample_says(
    rank, model_folder, reward_folder, tmp_path
):
    config = toy_config(
        model_folder(), reward_folder, lora_rank=rank, eval_temperature=0.0, learning_rate=1e-2
    )
    listener = RecordingObserver()
    run_updates(config, tmp_path / "run" / "checkpoints", listener)
    out = checkpoint.export(tmp_path / "run", tmp_path / "out", config)
    assert not (out / "adapter_config.json").exists()
    last = [s for s in listener.kept_samples if s.kind == "heldout" and s.step == 4]
    assert len(last) == 2
    for sample in last:
        assert greedy(out, sample.prompt) == sample.response


def test_export_says_what_is_kept_and_spoils_nothing(model_folder, reward_folder, tmp_path):
    config = toy_config(model_folder(), reward_folder, updates=2)
    run_updates(config, tmp_path / "run" / "checkpoints")
    with pytest.raises(CheckpointError, match="kept steps: 0, 2"):
        checkpoint.export(tmp_path / "run", tmp_path / "out", config, step=1)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("keep")
    with pytest.raises(CheckpointError, match="exists already"):
        checkpoint.export(tmp_path / "run", taken, config)
    assert [p.name for p in taken.iterdir()] == ["mine.txt"]
    begun = checkpoint.export(tmp_path / "run", tmp_path / "begun", config, step=0)
    ours, start = (load_file(f / "model.safetensors") for f in (begun, model_folder()))
    assert all(torch.equal(ours[name], start[name]) for name in start)
