"""What is measured: models, prompts and settings, the same for this code and for the peer.

Nothing of `drpo` is imported here: the peer's process has none.
"""

from __future__ import annotations

import gzip
import json
import random
import resource
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_data"
REWARD = SAMPLES / "models/tldr-reward"


@dataclass(frozen=True)
class Workload:
    """Sizes of an update. Without a width the policy and the prompts are the sample task's."""

    name: str
    answer: int
    """Most tokens of an answer."""
    width: int | None = None
    """Of a random Llama's hidden states."""
    layers: int = 0
    prompt: int = 64
    """Tokens of a random prompt."""
    episodes: int = 64
    passes: int = 4
    advantage: str = "gae"
    reset_prob: float = 0.0

    def small(self) -> Workload:
        """The same in seconds, to see that it works."""
        layers = min(self.layers, 1)
        return replace(self, width=self.width and 32, layers=layers, episodes=4, passes=1, answer=8)


A = Workload("A", answer=48, width=256, layers=5)
B = Workload("B", answer=53)
SHARED = {"learning_rate": 1e-6, "temperature": 1.0, "kl_coef": 0.05, "seed": 0}
"""Settings that the peer knows by the same name."""


def policy_of(load: Workload, folder: Path) -> Path:
    """Return the folder of a workload's policy; a random one is made there."""
    if load.width is None:
        return SAMPLES / "models/tldr-policy"
    tokenizer = AutoTokenizer.from_pretrained(SAMPLES / "models/tldr-policy")
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=load.width,
        intermediate_size=3 * load.width,
        num_hidden_layers=load.layers,
        num_attention_heads=max(1, load.width // 32),
        num_key_value_heads=max(1, load.width // 32),
        max_position_embeddings=512,
        initializer_range=0.05,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def rows_of(load: Workload) -> list[dict[str, str]]:
    """Return a workload's preference pairs: the sample's, or random letters."""
    count = max(200, 2 * load.episodes)
    if load.width is None:
        with gzip.open(SAMPLES / "files/tldr.jsonl.gz", "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in islice(lines, max(1000, count))]
    return list(islice(_random_rows(load), count))


def _random_rows(load: Workload) -> Iterator[dict[str, str]]:
    letters = random.Random(0)
    while True:
        prompt = "".join(
            letters.choices("abcdefgh ", k=letters.randint(load.prompt - 4, load.prompt))
        )
        size = letters.randint(load.answer // 2, load.answer)
        answer = "".join(letters.choices("abcdefgh", k=size))
        yield {"prompt": prompt, "chosen": answer, "rejected": "h"}


def processor_seconds() -> float:
    """User and system time of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
