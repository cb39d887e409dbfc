"""A stage's gradient, however its batch is cut, is that of TRL's trainer of the same name."""

import copy

import pytest
import torch
from conftest import make_byte_tokenizer, tiny_model
from datasets import Dataset
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.stages import train_dpo, train_reward_model, train_sft

PAIRS = [("a: ", "bb" * n, "c" * m) for n, m in ((1, 9), (8, 2), (3, 3), (20, 1), (2, 30), (5, 4))]


def rows(tokenizer, names):
    """Every text as tokens, ended."""
    found = []
    for prompt, chosen, rejected in PAIRS:
        head = tokenizer(prompt)["input_ids"]
        tails = [[*tokenizer(text)["input_ids"], 1] for text in (chosen, rejected)]
        whole = [head + tail for tail in tails]
        labels = [-100] * len(head) + tails[0]
        everything = {
            "input_ids": whole[0],
            "labels": labels,
            "prompt_ids": head,
            "chosen_ids": tails[0] if "prompt_ids" in names else whole[0],
            "rejected_ids": tails[1] if "prompt_ids" in names else whole[1],
        }
        found.append({name: everything[name] for name in names})
    return Dataset.from_list(found)


def asked(folder, **values):
    common = {
        "sft_batch_size": 6,
        "dpo_batch_size": 6,
        "rm_batch_size": 6,
        "sft_epochs": 1,
        "dpo_beta": 0.1,
        "max_prompt_length": 10,
        "response_length": 5,
        "max_grad_norm": 1e9,
    }
    return RunConfig.of(data="none", policy=str(folder), device="cpu", **(common | values))


def ours(monkeypatch, train, folder, tmp_path, **values):
    """The gradients that a stage's one step would take, by name."""
    found = {}

    def keep(optimizer, *_args, **_kwargs):
        for at, weight in enumerate(optimizer.param_groups[0]["params"]):
            found[at] = None if weight.grad is None else weight.grad.clone()

    monkeypatch.setattr(torch.optim.AdamW, "step", keep)
    train(asked(folder, **values), [Pair(*row) for row in PAIRS], tmp_path / "out")
    return list(found.values())


def theirs(kind, model, tmp_path):
    tokenizer = make_byte_tokenizer()
    settings = {
        "output_dir": str(tmp_path),
        "per_device_train_batch_size": 6,
        "use_cpu": True,
        "report_to": [],
        "max_length": None,
        "bf16": False,
        "activation_checkpointing": False,
    }
    if kind == "sft":
        skip = {"skip_prepare_dataset": True}
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(**settings, dataset_kwargs=skip),
            train_dataset=rows(tokenizer, ["input_ids", "labels"]),
            processing_class=tokenizer,
        )
    elif kind == "dpo":

        class Plain(DPOTrainer):
            def _prepare_dataset(self, dataset, *_):
                return dataset

        trainer = Plain(
            model=model,
            ref_model=copy.deepcopy(model),
            args=DPOConfig(**settings, beta=0.1),
            train_dataset=rows(tokenizer, ["prompt_ids", "chosen_ids", "rejected_ids"]),
            processing_class=tokenizer,
        )
    else:

        class Plain(RewardTrainer):
            def _prepare_dataset(self, dataset, *_args, **_kwargs):
                return dataset

        trainer = Plain(
            model=model,
            args=RewardConfig(**settings, center_rewards_coefficient=0.01),
            train_dataset=rows(tokenizer, ["chosen_ids", "rejected_ids"]),
            processing_class=tokenizer,
        )
    model.eval()
    [batch] = list(trainer.get_train_dataloader())
    trainer.compute_loss(model, batch).backward()
    return [weight.grad for weight in model.parameters() if weight.requires_grad]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # within TRL
@pytest.mark.parametrize("size", [12, 1])
@pytest.mark.parametrize(
    ("kind", "train"), [("sft", train_sft), ("dpo", train_dpo), ("rm", train_reward_model)]
)
def test_the_gradient_is_that_of_trl_however_the_batch_is_cut(
    monkeypatch, model_folder, tmp_path, kind, train, size
):
    folder = model_folder()
    found = ours(monkeypatch, train, folder, tmp_path, micro_batch_size=size)
    monkeypatch.undo()
    if kind == "rm":
        from transformers import AutoModelForSequenceClassification

        model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    else:
        model = tiny_model("llama")
    expected = theirs(kind, model, tmp_path)
    assert len(found) == len(expected)
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-4)
