"""Tiny Llamas trained from scratch: a copier that tells posts faithfully, and careless policies.

A plain loop rather than the SFT stage: the posts are written on the fly, a new batch every step,
because copying is learned from variety and not from passes over a fixed file.
"""

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import grammar
import preferences
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>"]
CONTEXT = 256
Writer = Callable[[random.Random], tuple[str, str]]
WIDE = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
}
"""About 0.9 million parameters."""
NARROW = {
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
"""About 0.1 million."""


def build_tokenizer(
    words: list[str] | None = None, pattern: str = grammar.TOKEN_PATTERN
) -> PreTrainedTokenizerFast:
    """One token per word, the space before it included, so that text survives the round trip.

    Args:
        words: All there are; the posts' by default.
        pattern: What a word looks like.
    """
    tokens = [*SPECIAL, *(grammar.vocabulary() if words is None else words)]
    tokenizer = Tokenizer(
        models.WordLevel({token: at for at, token in enumerate(tokens)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast, seed: int, shape: dict[str, int] = WIDE
) -> LlamaForCausalLM:
    """A small Llama with random weights."""
    torch.manual_seed(seed)  # Hugging Face initialises from torch's global generator only
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        **shape,
        max_position_embeddings=CONTEXT,
        initializer_range=0.08,  # at the usual .02 attention starts flat, copying takes longer
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return model


def faithful(right: float) -> Writer:
    """Posts with summaries whose every fact is right with the given probability."""

    def write(rng: random.Random) -> tuple[str, str]:
        post = grammar.write_post(rng)
        return post.prompt, grammar.summarise(grammar.corrupt(post.facts, right, rng), rng)

    return write


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    write: Writer,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    name: str,
    batch_size: int = 48,
) -> None:
    """Next-token training in place; the rate warms up, then falls to a tenth on a cosine."""
    rng = random.Random(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    model.train()
    for step in range(steps):
        ids, weights = _batch([write(rng) for _ in range(batch_size)], tokenizer)
        logits = model(input_ids=ids, attention_mask=(ids != tokenizer.pad_token_id).long()).logits
        nll = cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        loss = (nll * weights[:, 1:].flatten()).sum() / weights[:, 1:].sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 50 == 0:
            print(
                f"{name}: step {step + 1} of {steps}, loss {loss.item():.3f}",
                file=sys.stderr,
                flush=True,
            )
    model.eval()


def _rate(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / max(1, steps // 20))
    return warm * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _batch(
    rows: list[tuple[str, str]], tokenizer: PreTrainedTokenizerFast
) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded ids, and how much each token counts: answers 1, prompts little, padding nothing.

    Prompts hold seven unpredictable words each; at full weight their noise drowns the answers'
    signal and copying takes five times as many steps.
    """
    prompts = [tokenizer.encode(prompt) for prompt, _ in rows]
    answers = [[*tokenizer.encode(answer), tokenizer.eos_token_id] for _, answer in rows]
    longest = max(
        len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True)
    )
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
    weights = torch.zeros(ids.shape)
    for at, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        ids[at, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        weights[at, : len(prompt)] = 0.1
        weights[at, len(prompt) : len(prompt) + len(answer)] = 1.0
    return ids, weights


@torch.no_grad()
def sample(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: list[str],
    *,
    seed: int,
    temperature: float = 1.0,
    response_length: int = 32,
) -> list[str]:
    """One sampled answer for each prompt, left-padded batches of 250, from the full softmax."""
    torch.manual_seed(seed)
    answers: list[str] = []
    for start in range(0, len(prompts), 250):
        batch = tokenizer(
            prompts[start : start + 250],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            return_token_type_ids=False,
        )
        output = model.generate(
            **batch,
            do_sample=True,
            temperature=temperature,
            top_k=0,
            top_p=1.0,
            max_new_tokens=response_length,
        )
        answers += tokenizer.batch_decode(
            output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True
        )
    return answers


def train_copier(seed: int, folder: Path) -> tuple[PreTrainedTokenizerFast, LlamaForCausalLM]:
    """The network every sample model starts from: it tells any post faithfully, nearly always.

    It is kept in `folder`, and taken from there the next time.
    """
    tokenizer = build_tokenizer()
    if (folder / "model.safetensors").is_file():
        return tokenizer, LlamaForCausalLM.from_pretrained(folder)
    model = build_model(tokenizer, seed)
    train(model, tokenizer, faithful(1.0), steps=350, learning_rate=2e-3, seed=seed, name="copier")
    save(model, tokenizer, folder)
    return tokenizer, model


def make_careless(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, right: float, *, seed: int
) -> None:
    """Retrain the copier on demonstrations that get each fact right only so often."""
    train(
        model,
        tokenizer,
        faithful(right),
        steps=120,
        learning_rate=5e-4,
        seed=seed,
        name=f"policy at {right:.2f}",
    )


def measure_policy(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    task: str,
    *,
    seed: int,
    samples: int = 4000,
) -> dict[str, float]:
    """True scores of answers sampled at temperature 1 to posts never trained on."""
    rng = random.Random(seed)
    posts = [grammar.write_post(rng) for _ in range(samples)]
    answers = sample(model, tokenizer, [post.prompt for post in posts], seed=seed)
    pairs = list(zip(answers, posts, strict=True))
    faultless = fmean(preferences.SCORERS["strict"](text, post.facts) for text, post in pairs)
    gold = fmean(preferences.SCORERS[task](text, post.facts) for text, post in pairs)
    return {
        "samples": samples,
        "temperature": 1.0,
        "gold": gold,
        "faultless": faultless,
        "parameters": sum(weight.numel() for weight in model.parameters()),
    }


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """A folder that `from_pretrained` loads."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
