"""What is checked before a run is launched: everything that can be known without loading a model.

The command line and the launch form call `check`; nothing is queued unless it passes, so a bad
file or folder costs a sentence, not a failed run.
"""

from __future__ import annotations

from collections.abc import Sequence

from drpo import materials, processes
from drpo.config import RunConfig
from drpo.data import PairSet, load_pairs
from drpo.data.pairs import Pair
from drpo.errors import ConfigError, DataError, ModelError
from drpo.model_files import ModelCard, count_tokens, find_folder, read_card
from drpo.monitor.desk import check_settings
from drpo.store import Store

MOST_COUNTED = 5_000
"""Prompts whose tokens are counted here, longest first; the worker counts them all."""


def check(config: RunConfig, store: Store | None = None) -> None:
    """See that a run can start.

    Args:
        config: The run's settings.
        store: Where saved data sets are found by name.

    Raises:
        DrpoError: It cannot; one sentence that names the file and the row or field, what was
            expected, and what to do.
    """
    check_settings(config.alarms)
    _check_device(config)
    card = _check_policy(config)
    _check_reward_model(config)
    pairs = _check_data(config, store)
    if card is not None:
        check_lengths(config, card, pairs.pairs)


def _check_device(config: RunConfig) -> None:
    wanted = config.models.device
    if wanted in ("auto", "cpu"):
        return
    name, _, index = wanted.partition(":")
    if name != "cuda" or (index and not index.isdigit()):
        raise ConfigError(f"device is auto, cpu, cuda or cuda:N, got {wanted!r}.")
    gpus = processes.gpus()
    if not gpus:
        raise ConfigError(f"device is {wanted!r} but no NVIDIA GPU is seen here; use auto or cpu.")
    if index and index not in gpus:
        raise ConfigError(f"device is {wanted!r} but the GPUs here are {', '.join(gpus)}.")


def _check_policy(config: RunConfig) -> ModelCard | None:
    what = "start policy"
    folder = find_folder(config.models.policy, what=what)
    if folder is None:
        return None
    card = read_card(folder, what=what)
    if card.is_classifier:
        raise ModelError(
            f"The start policy {folder} is a classifier; expected a causal language model. "
            "Perhaps it was meant as the reward model."
        )
    if card.eos_token is None:
        raise ModelError(
            f"The tokenizer of the start policy {folder} has no EOS token, so no answer could ever "
            "end; set eos_token in its tokenizer_config.json."
        )
    return card


def _check_reward_model(config: RunConfig) -> None:
    if config.models.reward_model is None:
        return
    what = "reward model"
    folder = find_folder(config.models.reward_model, what=what)
    if folder is None:
        return
    card = read_card(folder, what=what)
    if not card.is_classifier or card.labels != 1:
        found = f"{card.labels} labels" if card.is_classifier else "no classification head"
        raise ModelError(
            f"The reward model {folder} has {found}; expected a sequence classifier with one label."
        )


def _check_data(config: RunConfig, store: Store | None) -> PairSet:
    pairs = load_pairs(config.data.data, store=store)
    if config.data.heldout is not None:
        load_pairs(config.data.heldout, store=store)
    elif len({pair.prompt for pair in pairs.pairs}) < 2:
        raise DataError(
            f"{config.data.data} holds a single prompt, so none can be set apart for evaluation; "
            "give a file of held-out pairs, or more prompts."
        )
    materials.gold_of(config, pairs)
    materials.check_facts((*pairs, *materials.demonstrations(config, store)), config)
    return pairs


def prompt_limit(config: RunConfig, context: int | None) -> int:
    """Longest prompt in tokens that leaves room for an answer."""
    longest = config.data.max_prompt_length
    if context is None:
        return longest
    return min(longest, context - config.sampling.response_length)


def check_lengths(config: RunConfig, card: ModelCard, pairs: Sequence[Pair]) -> None:
    """See that prompts and answers fit the model's context.

    Raises:
        ConfigError: Not even an empty prompt would fit.
        DataError: A prompt is too long and `long_prompts` is "error".
    """
    limit = prompt_limit(config, card.context)
    if limit < 1:
        raise ConfigError(
            f"response_length is {config.sampling.response_length} tokens but the start policy's "
            f"context is {card.context}; make response_length smaller."
        )
    # A token is at least one byte of text, so shorter prompts need no counting.
    suspects = [pair for pair in pairs if len(pair.prompt.encode()) > limit]
    suspects.sort(key=lambda pair: len(pair.prompt), reverse=True)
    counts = count_tokens(card, [pair.prompt for pair in suspects[:MOST_COUNTED]])
    if counts is None:
        return
    too_long = [
        (pair.row, count) for pair, count in zip(suspects, counts, strict=False) if count > limit
    ]
    if len(too_long) == len(pairs):
        raise DataError(
            f"Every prompt of {config.data.data} is longer than {limit} tokens, what the model's "
            "context leaves beside response_length; use a model with a longer context."
        )
    if too_long and config.data.long_prompts == "error":
        row, count = min(too_long)
        others = f" and {len(too_long) - 1} more" if len(too_long) > 1 else ""
        raise DataError(
            f"{config.data.data}, row {row}{others}: the prompt has {count} tokens, expected at "
            f"most {limit} (max_prompt_length, and what the context leaves beside "
            "response_length). Leave such rows out with long_prompts=drop, or use a model with a "
            "longer context."
        )
