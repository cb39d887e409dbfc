"""What the GPU benchmark and its smoke test train on: random models, tokenizers and pairs.

Nothing is downloaded. The models have the shapes of well-known ones and weights drawn on the spot;
speed and memory do not depend on what the weights are. The tokenizer knows as many words as the
model does, so that every token a random policy draws can be read back.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    GPTNeoXConfig,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from drpo import Pair
from drpo.data.pairs import row_of

PAD, END = 0, 1
CONFIGS: dict[str, type[PretrainedConfig]] = {
    "qwen3": Qwen3Config,
    "llama": LlamaConfig,
    "gpt_neox": GPTNeoXConfig,
}
"""Not Qwen2's: for its folders transformers insists on a tokenizer of its own, which knows no words
but its own. Llama's with a bias has the same layers."""


@dataclass(frozen=True)
class Shape:
    """The shape of a causal language model."""

    name: str
    kind: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    ffn: int
    vocabulary: int
    tied: bool
    bias: bool = False
    """Whether attention has biases."""

    @property
    def kv_width(self) -> int:
        """Numbers that a layer's cache keeps of a token: keys and values."""
        return 2 * self.kv_heads * self.hidden // self.heads

    def config(self, **extra: Any) -> PretrainedConfig:  # noqa: ANN401 - handed on
        """The architecture's own config of this shape."""
        if self.kind != "gpt_neox":
            extra |= {
                "num_key_value_heads": self.kv_heads,
                "head_dim": self.hidden // self.heads,
                "attention_bias": self.bias,
            }
        return CONFIGS[self.kind](
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.ffn,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            max_position_embeddings=2048,
            tie_word_embeddings=self.tied,
            bos_token_id=None,
            eos_token_id=END,
            pad_token_id=PAD,
            **extra,
        )

    def tiny(self) -> Shape:
        """The same kind of model, small enough to train on a processor in a second."""
        kv = 2 if self.kv_heads < self.heads else 4
        return replace(self, layers=2, hidden=32, heads=4, kv_heads=kv, ffn=64, vocabulary=300)


SHAPES = (
    Shape("Qwen-like 0.5B", "llama", 24, 896, 14, 2, 4864, 151_936, tied=True, bias=True),
    Shape("Llama-like 1B", "llama", 16, 2048, 32, 8, 8192, 128_256, tied=True),
    Shape("Pythia-like 2.8B", "gpt_neox", 32, 2560, 32, 32, 10_240, 50_304, tied=False),
)
SMALL = (
    Shape("small Llama", "llama", 4, 256, 4, 2, 512, 2_000, tied=False),
    Shape("small Qwen", "qwen3", 4, 256, 4, 2, 512, 2_000, tied=True),
    Shape("small Pythia", "gpt_neox", 4, 256, 4, 4, 512, 2_000, tied=False),
)
"""For the smoke test: every kind of architecture, seconds to train."""


def make_tokenizer(words: int) -> PreTrainedTokenizerFast:
    """A tokenizer of `words` tokens: pad, end, unknown, and words that are numbered."""
    vocabulary = {"<pad>": PAD, "<end>": END, "<unk>": 2}
    vocabulary |= {f"w{number}": number for number in range(3, words)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>", unk_token="<unk>"
    )


def make_models(
    shape: Shape,
    folder: Path,
    device: torch.device,
    dtype: torch.dtype,
    **extra: Any,  # noqa: ANN401 - handed on
) -> tuple[Path, Path]:
    """Write a policy and a reward model of a shape, with random weights and their tokenizer.

    Args:
        shape: What to make.
        folder: Where the two folders go.
        device: Where the weights are drawn; billions of them take long on a processor.
        dtype: Number format that they are saved in.
        extra: Further entries of the model's config.

    Returns:
        The folders of the policy and of the reward model.
    """
    tokenizer = make_tokenizer(shape.vocabulary)
    found = []
    for seed, (name, kind, more) in enumerate(
        (
            ("policy", AutoModelForCausalLM, {}),
            ("reward", AutoModelForSequenceClassification, {"num_labels": 1}),
        )
    ):
        torch.manual_seed(seed)
        with torch.device(device):
            model = kind.from_config(shape.config(**more, **extra), dtype=dtype)
        out = folder / name
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
        del model
        found.append(out)
    return found[0], found[1]


def make_pairs(
    count: int, shape: Shape, prompt: tuple[int, int], answer: tuple[int, int], seed: int = 0
) -> list[Pair]:
    """Pairs of random words; lengths in tokens are drawn evenly between two bounds."""
    draw = random.Random(seed)

    def words(bounds: tuple[int, int]) -> str:
        return " ".join(
            f"w{draw.randrange(3, shape.vocabulary)}" for _ in range(draw.randint(*bounds))
        )

    return [
        Pair(words(prompt), " " + words(answer), " " + words(answer), row=number + 1)
        for number in range(count)
    ]


def write_pairs(pairs: list[Pair], path: Path) -> Path:
    """Write pairs as JSON Lines."""
    text = "".join(json.dumps(row_of(pair)) + "\n" for pair in pairs)
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def scratch(bytes_needed: float) -> Iterator[Path]:
    """A folder that is removed afterwards, in memory where that has room: disks are slower."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * bytes_needed
    writable = roomy and os.access(memory, os.W_OK)
    with tempfile.TemporaryDirectory(prefix="drpo-gpu-", dir=memory if writable else None) as name:
        yield Path(name)
