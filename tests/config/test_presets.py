"""The paper's presets go through the same stages on a tiny model with slices of such data."""

import json

import pytest
import torch

from drpo.config import presets
from drpo.config.run_config import RunConfig
from drpo.runs import preflight, worker
from drpo.store import Store, run_folder

POSTS = ("my dog ate a sock", "we lost the keys", "he sold my bike", "she moved far away")
SMALL = {
    "episodes_per_update": 8,
    "micro_batch_size": 4,
    "updates": 1,
    "eval_prompts": 2,
    "sample_prompts": 2,
    "lora_rank": 2,
    "lora_alpha": 4.0,
    "sft_batch_size": 4,
    "device": "cpu",
    "rm_batch_size": 4,
    "heldout_fraction": 0.3,
    "num_ppo_epochs": 1,
}


def lines(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(path)


def tldr(folder):
    prompts = [
        f"SUBREDDIT: r/x\n\nTITLE: {i}\n\nPOST: {p}\n\nTL;DR:" for i, p in enumerate(POSTS * 2)
    ]
    pairs = [
        {"prompt": prompt, "chosen": f" {POSTS[i % 4]} " * 4, "rejected": " no"}
        for i, prompt in enumerate(prompts)
    ]
    answers = [
        {"prompt": prompt, "response": f" {POSTS[i % 4]}"} for i, prompt in enumerate(prompts)
    ]
    return {
        "data": lines(folder / "pairs.jsonl", pairs),
        "demonstrations": lines(folder / "demonstrations.jsonl", answers),
    }


def hh(folder):
    rows = []
    for i, post in enumerate(POSTS * 2):
        talk = f"\n\nHuman: {post} {i}\n\nAssistant: Oh?\n\nHuman: Yes.\n\nAssistant:"
        rows.append({"chosen": f"{talk} I am sorry.", "rejected": f"{talk} So what."})
    return {"data": lines(folder / "pairs.jsonl", rows), "response_length": 20}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "material", "method"),
    [("tldr-pythia-2.8b", tldr, "drpo"), ("hh-pythia-1b", hh, "ppo")],
)
def test_a_preset_runs_all_its_stages_small(
    tmp_path, monkeypatch, model_folder, name, material, method
):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    settings = presets.settings(name) | SMALL | material(tmp_path)
    config = RunConfig.of(**{**settings, "policy": str(model_folder("gpt_neox")), "method": method})
    preflight.check(config)
    store = Store(f"sqlite:///{tmp_path / 'drpo.sqlite'}")
    run = store.runs.create(config)
    status = worker.execute(run.id, store)
    torch.set_num_threads(threads)
    assert status == "finished", store.runs.get(run.id).error
    models = run_folder(run.id) / "models"
    assert {"sft", "reward_model"} <= {path.name for path in models.iterdir()}
    samples = store.samples.at(run.id, 1, "episode")
    assert len(samples) == 8
    longest = config.sampling.response_length
    assert all(s.prefix_tokens + s.response_tokens <= longest for s in samples)
    starts = {sample.start for sample in samples}
    assert starts == ({"reset"} if method == "drpo" else {"prompt"})
    store.close()


def test_where_the_authors_code_differs_its_variant_says_so_and_a_note_names_it():
    paper, code = (
        RunConfig.of(**presets.settings("tldr-pythia-2.8b", variant))
        for variant in ("paper", "code")
    )
    assert (paper.reset.reset_min_prefix, code.reset.reset_min_prefix) == (0, 1)
    assert code.ppo.updates == 1_000_000 // code.ppo.episodes_per_update == 1953
    assert (code.stages.dpo_learning_rate, code.stages.dpo_batch_size) == (3e-6, 64)
    notes = " ".join(map(str, presets.find("tldr-pythia-2.8b").notes))
    for choice in ("Prefix length", "Updates", "Prompts", "LoRA", "Reward model", "AdamW", "DPO"):
        assert choice in notes
