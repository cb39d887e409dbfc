"""How much memory each stage of a run takes, by calculation: without torch, in milliseconds.

Bytes a number, times numbers. The constants were measured with the allocator as a large run sets it
(`drpo.system.memory.give_back_freed`); docs/memory.md holds the figures beside what runs held.
"""

from __future__ import annotations

from dataclasses import dataclass

from drpo.config.methods import UPDATING
from drpo.config.run_config import RunConfig
from drpo.modeling.adapter_files import reward_adapter
from drpo.modeling.model_size import Size
from drpo.runs.data_rows import counted

LIBRARIES = 0.65 * 2**30
"""A worker with all that it imports, before any model."""
TRAINED_BYTES = 16
"""A float32 weight that is trained: itself, its gradient and Adam's two averages."""
QUANTIZED_BYTES = {"8bit": 1.01, "4bit": 0.52}
"""A frozen weight in 8 or 4 bits, with its share of the constants that scale it."""
ACTIVATION_BYTES = 70
"""Bytes of a network's graph per layer, position and hidden unit: 76 for a Qwen, 64 to 72 for a
Llama, 38 for a Pythia."""
KEPT_BYTES = 4
"""The same where a layer's activations are computed anew for its gradient: what it was given."""
LOGITS = 2**24
"""Logits made at once (`drpo.rl.scoring.LOGITS`), or fewer where there are not so many places."""
LOGITS_ON_GPU = 4
"""How many times as many on a GPU."""
LEARNED_LOGIT_BYTES = 20
"""A logit that is learned from: itself, its log-softmax, their gradients."""
COMPARED_LOGIT_BYTES = 29
"""A logit of two policies that are compared."""
DRAWN_LOGIT_BYTES = 32
"""A logit that is drawn from, in float64."""
PREFILL_BYTES = 24
"""Bytes per position and hidden unit while prompts are read to be answered."""
WAITING = 0.5
"""Rows that wait with their keys and values, of those written at once
(`drpo.rl.slots.waiting_slots`)."""


@dataclass(frozen=True)
class Lengths:
    """Tokens of the rows that a run reads."""

    prompt: float
    """Of the longest prompt that is not left out."""
    row: float
    """Of the longest prompt and answer together, as a stage reads them."""


def memory_of(
    config: RunConfig,
    policy: Size,
    scorer: Size,
    names: list[str],
    lengths: Lengths | None = None,
) -> dict[str, float]:
    """Return the bytes that each stage takes.

    Args:
        config: The run.
        policy: Size of its start policy.
        scorer: Size of its reward model.
        names: Its stages.
        lengths: Of its rows; None for what they are.
    """
    lengths = lengths or lengths_of(config, policy)
    return {name: _of_stage(name, config, policy, scorer, lengths) for name in names}


def _of_stage(name: str, config: RunConfig, policy: Size, scorer: Size, lengths: Lengths) -> float:
    trained, stages = _trained(config, policy), config.stages
    if name in ("sft", "reward model", "dpo"):
        batch, together = {
            "sft": (stages.sft_batch_size, 1),
            "reward model": (stages.rm_batch_size, 2),
            "dpo": (stages.dpo_batch_size, 2),
        }[name]
        rows = together * max(1, min(config.ppo.rows_at_once // together, batch))
        tokens = max(min(config.tokens_at_once, rows * lengths.row), together * lengths.row)
        places = 0.0 if name == "reward model" and not stages.rm_lm_weight else tokens
        work = _graph(config, policy, tokens) + _logits(config, policy, places, LEARNED_LOGIT_BYTES)
        return LIBRARIES + trained + work
    answer = config.sampling.response_length
    learning = 0.0
    if name in UPDATING:
        rows = min(config.ppo.rows_at_once, config.ppo.episodes_per_update)
        learning = _graph(config, policy, rows * (lengths.prompt + answer))
        learning += _logits(config, policy, rows * answer, LEARNED_LOGIT_BYTES)
        if config.models.lora_rank:  # all networks on one base
            copies = _base(config, policy) + _networks(config) * _adapters(config, policy)
        else:
            # The start policy is in float32 like what is trained.
            copies = _networks(config) * trained + policy.parameters * 4
    else:
        others = 0 if name == "best_of_n" or config.models.lora_rank else 1
        copies = (1 + others) * _base(config, policy)
    scoring = 0.0 if _on_base(config) else scorer.parameters * _frozen_bytes(config)
    most = max(config.ppo.episodes_per_update, config.evaluation.eval_prompts)
    drawing = _drawing(config, policy, most, lengths.prompt)
    compared = _logits(config, policy, config.ppo.rows_at_once * answer, COMPARED_LOGIT_BYTES)
    return LIBRARIES + copies + scoring + max(learning, drawing, compared)


def _networks(config: RunConfig) -> int:
    return 2 if config.ppo.advantage == "gae" else 1


def _on_base(config: RunConfig) -> bool:
    """Whether scoring takes no weights of its own: by an adapter on the base, or by no model."""
    named, start = config.models.reward_model, config.models.policy
    if named is None:
        return config.models.reward_source == "gold" or bool(config.models.lora_rank)
    return bool(config.models.lora_rank) and reward_adapter(named, start) is not None


def _base(config: RunConfig, policy: Size) -> float:
    """The weights that all networks have in common."""
    size = _frozen_bytes(config)
    if config.models.quantize_base == "none":
        return float(policy.parameters * size)
    kept = policy.vocabulary * policy.hidden  # embeddings stay as they are
    return kept * size + (policy.parameters - kept) * QUANTIZED_BYTES[config.models.quantize_base]


def _adapters(config: RunConfig, policy: Size) -> float:
    """What training one network below adapters takes beside its base."""
    # Seven linear maps a layer, of about 16 widths of input and output together.
    weights = policy.layers * 16 * policy.hidden * config.models.lora_rank
    return weights * float(TRAINED_BYTES)


def _frozen_bytes(config: RunConfig) -> int:
    """Bytes of a weight that is not trained."""
    half = config.models.dtype in ("bfloat16", "float16")
    return 2 if half or (config.models.dtype == "auto" and _on_gpu(config)) else 4


def _on_gpu(config: RunConfig) -> bool:
    return config.models.device.startswith("cuda")


def _trained(config: RunConfig, policy: Size) -> float:
    """One network with what training it takes."""
    if not config.models.lora_rank:
        return policy.parameters * TRAINED_BYTES
    return _base(config, policy) + _adapters(config, policy)


def _graph(config: RunConfig, policy: Size, tokens: float) -> float:
    per_unit = ACTIVATION_BYTES * policy.layers
    if config.models.gradient_checkpointing:
        per_unit = KEPT_BYTES * policy.layers + ACTIVATION_BYTES
    return tokens * policy.hidden * per_unit


def _logits(config: RunConfig, policy: Size, places: float, size: int) -> float:
    most = LOGITS * (LOGITS_ON_GPU if _on_gpu(config) else 1)
    return min(places * policy.vocabulary, most) * size


def _drawing(config: RunConfig, policy: Size, most: int, prompt: float) -> float:
    """Keys and values, the logits of one token a row, and the prompts as they are read.

    Args:
        config: The run.
        policy: What draws.
        most: Answers in all.
        prompt: Tokens of the longest prompt.
    """
    rows = min(config.ppo.answers_at_once, most)
    slots = rows + min(WAITING * rows, most - rows)
    # What a reset gives is part of the answer: whatever is reset, no slot is wider.
    tokens = slots * (prompt + config.sampling.response_length)
    cache = tokens * policy.layers * policy.cached * _frozen_bytes(config)
    logits = rows * policy.vocabulary * DRAWN_LOGIT_BYTES
    return cache + max(logits, rows * prompt * policy.hidden * PREFILL_BYTES)


def lengths_of(config: RunConfig, policy: Size) -> Lengths:
    """Return the longest rows: counted where the data are here, else what settings allow."""
    most = float(min(config.data.max_prompt_length, policy.context or 10**9))
    found = counted(config.data.data, config.models.policy)
    rows_here = [(most, most + config.sampling.response_length)]
    if found is not None:
        rows_here = list(found.longest)
    if config.data.long_prompts == "drop":
        rows_here = [one for one in rows_here if one[0] <= most] or [(most, most)]
    prompt = min(most, max(prompt for prompt, _ in rows_here))
    longest = config.stages.max_response_length
    rows = [
        whole if longest is None else min(whole, prompt + longest) for prompt, whole in rows_here
    ]
    context = policy.context or 10**9
    kept = [row for row in rows if row <= context] or [context]
    return Lengths(prompt, float(max(kept)))


def most_lengths(config: RunConfig, policy: Size) -> Lengths | None:
    """Return the longest rows that there may be, without a look at any; None where any may be."""
    if policy.context is None:
        return None
    prompt = float(min(config.data.max_prompt_length, policy.context))
    return Lengths(prompt, float(policy.context))
