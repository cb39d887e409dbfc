"""A run on a chat model: what it trains on, and what its export says when others ask it."""

import json

import pytest
import torch
from chat_models import STYLES, chat_folder
from transformers import AutoModelForCausalLM, AutoTokenizer

import drpo
from drpo.data.pairs import Pair

WORDS = ["bread", "cats", "mats", "flour", "food", "more"]


def pairs(count):
    """Short answers that a tiny model learns to finish; the questions differ in a word."""
    return [
        Pair(
            f"\n\nHuman: Say {WORDS[n % 6]} {n}?\n\nAssistant:",
            f" {WORDS[n % 6]}.",
            f" no {WORDS[n % 5]} at all, said the cat",
            row=n + 1,
            messages=[{"role": "user", "content": f"Say {WORDS[n % 6]} {n}?"}],
        )
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("style", "rank"), [("llama3", 0), ("chatml, pad is unknown", 4), ("gemma", 0)]
)
def test_the_export_used_by_its_template_is_the_model_that_the_run_reported_on(
    style, rank, tmp_path
):
    start = chat_folder(style, tmp_path / "start", torch.bfloat16)
    config = drpo.RunConfig.of(
        **{"data": "in memory", "policy": str(start), "device": "cpu", "updates": 2},
        **{"episodes_per_update": 8, "response_length": 24, "eval_prompts": 8, "eval_every": 1},
        **{"sft_epochs": 40.0, "sft_learning_rate": 1e-2, "lora_rank": rank, "seed": 1},
        **{"eval_temperature": 0.0, "learning_rate": 1e-4, "advantage": "rloo"},
    )
    rows = pairs(24)
    run = drpo.train(
        config,
        pairs=[row for row in rows if row.row > 6],
        heldout=rows[:6],
        reward=lambda _prompts, texts: [-float(len(text)) for text in texts],
        folder=tmp_path / "run",
        progress=False,
    )
    last = max(sample.step for sample in run.samples())
    reported = {sample.prompt: sample for sample in run.samples(step=last)}
    out = tmp_path / "out"
    run.export(out)
    written = json.loads((out / "config.json").read_text())
    assert written["dtype"] == "bfloat16"
    assert (out / "chat_template.jinja").read_text() == STYLES[style].template
    before, after = (
        json.loads((folder / "generation_config.json").read_text()) for folder in (start, out)
    )
    named = before["eos_token_id"]
    assert set(after["eos_token_id"]) >= set(named if isinstance(named, list) else [named])
    assert {k: v for k, v in after.items() if k != "eos_token_id"} == {
        k: v for k, v in before.items() if k != "eos_token_id"
    }
    tokenizer, model = (kind.from_pretrained(out) for kind in (AutoTokenizer, AutoModelForCausalLM))
    finished, same = [], []
    for row in rows[:6]:
        asked = tokenizer.apply_chat_template(
            row.messages, add_generation_prompt=True, return_tensors="pt"
        )
        answer = model.generate(**asked, max_new_tokens=24, do_sample=False)[0]
        answer = answer[asked["input_ids"].shape[1] :]
        finished.append(int(answer[-1]) in after["eos_token_id"])
        text = tokenizer.decode(answer, skip_special_tokens=True)
        same.append(text == reported[row.prompt].response)
    share = run.metrics()["eval/finished"].dropna().iloc[-1]
    # The start model's number format rounds: one greedy answer may turn elsewhere.
    assert sum(same) >= 5
    assert sum(finished) / 6 == pytest.approx(share, abs=1 / 6 + 1e-6)
    assert share > 0.5
