"""A toy task that trains in seconds, and an observer that keeps all it is given."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from conftest import tiny_model
from peft import LoraConfig, get_peft_model

from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.types import Control, Observer, Sample

WORDS = ("red", "blue", "green", "black")


def toy_pairs(count: int, first: int = 0) -> list[Pair]:
    """Pairs whose chosen answer repeats the colour of the prompt."""
    pairs = []
    for i in range(first, first + count):
        word, other = WORDS[i % 4], WORDS[(i + 1) % 4]
        prompt = f"{'no. ' * (i % 3)}{i} {word}:"
        pairs.append(Pair(prompt, f" {word}", f" {other}", row=i + 1, facts={"colour": word}))
    return pairs


def toy_config(policy: Path, reward: Path, **settings: Any) -> RunConfig:
    """A run of few, small updates."""
    values: dict[str, Any] = {
        "data": "toy",
        "policy": str(policy),
        "reward_model": str(reward),
        "device": "cpu",
        "updates": 4,
        "episodes_per_update": 8,
        "micro_batch_size": 4,
        "response_length": 8,
        "num_ppo_epochs": 2,
        "learning_rate": 1e-3,
        "eval_every": 2,
        "eval_prompts": 6,
        "sample_prompts": 2,
        "checkpoint_every": 2,
        "max_prompt_length": 40,
        "reset_prob": 0.5,
    }
    return RunConfig.of(**(values | settings))


@dataclass
class RecordingObserver(Observer):
    """Keeps everything; `controls` holds what it asks for at a step."""

    controls: dict[int, Control] = field(default_factory=dict)
    metrics_at: dict[int, dict[str, float]] = field(default_factory=dict)
    kept_samples: list[Sample] = field(default_factory=list)
    events: list[tuple[int, str, Mapping[str, Any]]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)

    def progress(self, stage: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        self.stages.append(stage)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.metrics_at.setdefault(step, {}).update(values)

    def samples(self, samples: Sequence[Sample]) -> None:
        self.kept_samples += samples

    def event(self, step: int, kind: str, message: str, payload: Mapping[str, Any]) -> None:
        assert message
        self.events.append((step, kind, payload))

    def control(self, step: int) -> Control:
        return self.controls.pop(step, Control())

    def remembered(self) -> Mapping[str, Any]:
        return {"steps": len(self.stages)}


def tuned_adapter(folder: Path, base: Path) -> Path:
    """An adapter that changes its base, saved as people save them."""
    adapted = get_peft_model(tiny_model("llama"), LoraConfig(r=2, target_modules=["q_proj"]))
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(5))
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    adapted.save_pretrained(folder)
    for path in base.glob("token*"):
        shutil.copy2(path, folder)
    return folder
