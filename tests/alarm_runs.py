"""Short real runs, healthy and provoked, with a monitor listening.

The policy is a small Llama that was taught the toy task first, so that it has something to lose;
a provoked run rewards something foolish, or has one setting far off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from toy import WORDS, RecordingObserver, toy_config, toy_pairs

from drpo.alarms import Alarm, Monitor
from drpo.data.gold_reward import GoldScorer
from drpo.data.pairs import Pair
from drpo.modeling.models import load_models
from drpo.modeling.scorers import Completion
from drpo.rl.trainer import train
from drpo.types import Control, Sample

GOLD = GoldScorer({"colour": WORDS}, strict=False)


@dataclass(frozen=True)
class Rule:
    """A reward made of one function of the answer's text."""

    of: Callable[[Completion], float]

    def score(self, answers: Sequence[Completion]) -> torch.Tensor:
        return torch.tensor([float(self.of(answer)) for answer in answers])


@dataclass
class Watched(RecordingObserver):
    """Hears a run as the worker's observer does, and asks the monitor between two updates."""

    monitor: Monitor | None = None
    alarms: list[Alarm] = field(default_factory=list)
    _now: tuple[int, dict[str, float], list[Sample]] = (0, {}, [])

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        super().metrics(step, values)
        if step != self._now[0]:
            self._now = (step, {}, [])
        self._now[1].update(values)

    def samples(self, samples: Sequence[Sample]) -> None:
        super().samples(samples)
        self._now[2].extend(samples)

    def control(self, step: int) -> Control:
        self.look()
        return super().control(step)

    def look(self) -> None:
        step, values, samples = self._now
        if values and self.monitor is not None:
            self.alarms += self.monitor.update(step, values, samples)
        self._now = (step, {}, [])

    @property
    def names(self) -> set[str]:
        return {alarm.name for alarm in self.alarms}


def watch(
    policy: Path,
    reward: Path,
    folder: Path,
    *,
    rule: Callable[[Completion], float] | None = None,
    pairs: list[Pair] | None = None,
    **settings: Any,
) -> Watched:
    """Train the toy policy and return what was heard; healthy unless told otherwise."""
    usual = {
        "updates": 12,
        "episodes_per_update": 32,
        "micro_batch_size": 32,
        "response_length": 12,
        "learning_rate": 5e-4,
        "lr_schedule": "constant",
        "kl_coef": 0.1,
        "eval_every": 4,
        "eval_prompts": 24,
        "sample_prompts": 24,
        "checkpoint_every": 10,
        "num_ppo_epochs": 2,
    }
    config = toy_config(policy, reward, **(usual | settings))
    models = load_models(config, gold=GOLD)
    models.reward = Rule(rule) if rule else models.gold
    listener = Watched(monitor=Monitor(config.alarms))
    train(
        models,
        pairs or toy_pairs(64),
        toy_pairs(24, 100),
        config,
        listener,
        checkpoint_dir=folder,
    )
    listener.look()
    return listener


def teach(folder: Path, tokenizer: Any, steps: int = 150) -> Path:
    """Make a policy that mostly names the right colour and ends."""
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=258,
                hidden_size=48,
                intermediate_size=96,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=128,
                pad_token_id=0,
                bos_token_id=None,
                eos_token_id=1,
            )
        )
    rows = [
        (tokenizer(p.prompt).input_ids, [*tokenizer(p.chosen).input_ids, 1]) for p in toy_pairs(256)
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        picked = [rows[i] for i in torch.randint(len(rows), (32,), generator=generator).tolist()]
        width = max(len(p) + len(a) for p, a in picked)
        ids = torch.zeros(len(picked), width, dtype=torch.long)
        labels = torch.full((len(picked), width), -100)
        for i, (prompt, answer) in enumerate(picked):
            ids[i, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            labels[i, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
        loss = model(ids, attention_mask=(labels != -100) | (ids != 0), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
