"""What is checked before a run is launched: everything that can be known without loading a model.

The command line and the launch form call `check`; nothing is queued unless it passes, so a bad
file or folder costs a sentence, not a failed run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drpo.alarms.handler import check_settings
from drpo.config.run_config import RunConfig, check_filter
from drpo.data import load_pairs, run_data
from drpo.data.pairs import Pair
from drpo.errors import ConfigError, DataError, ModelError
from drpo.executors.choice import see_that_it_is_here
from drpo.home import home_url
from drpo.modeling.light_tokenizer import prompt_tokens
from drpo.modeling.model_facts import see_that_it_writes
from drpo.modeling.model_files import (
    FOREIGN_CRITIC,
    ModelCard,
    find_folder,
    has_chat_template,
    read_card,
    same_tokens,
)
from drpo.runs.estimate import estimate_run
from drpo.store import Store
from drpo.system import processes
from drpo.system.limits import free_memory
from drpo.trackers.installed import check_installed

HERE = ("process", "thread")
"""Executors whose runs compute on this machine, so that its devices are what there is."""
THREAD_SHARE = 0.25
"""Of the free memory that a run may take in the process of a dashboard or notebook."""
MOST_COUNTED = 5_000
"""Prompts whose tokens are counted here, longest first; the worker counts them all."""
TEMPLATE = 4_000
"""Bytes that a chat template may put around a prompt."""


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
    check_installed(config.run.report_to)
    _check_executor(config, store)
    if config.run.executor in HERE:
        _check_device(config)
    check_filter(config)
    card = _check_policy(config)
    critic = _critic_of(config, card, _check_reward_model(config))
    prompts = _check_data(config, store)
    if card is not None:
        check_lengths(config, card, prompts, critic)
    _check_thread(config, store)


def _check_executor(config: RunConfig, store: Store | None) -> None:
    name = config.run.executor
    see_that_it_is_here(name)
    one_machine = os.environ.get("DRPO_SLURM_CLUSTER") == "local"
    if name in HERE or store is None or one_machine:
        return
    if name == "slurm" and home_url() is not None and not os.environ.get("DRPO_SLURM_FOLDER"):
        raise ConfigError(
            "executor is 'slurm', whose nodes read what submitit writes from a folder that they "
            f"share, and DRPO_HOME is {home_url()}; name such a folder in DRPO_SLURM_FOLDER."
        )
    if store.engine.dialect.name == "sqlite":
        raise ConfigError(
            f"executor is {name!r}, whose workers reach the store from other machines, and the "
            "store is a file; expected a PostgreSQL server. Name one in DRPO_DATABASE_URL, or set "
            "executor to 'process'."
        )


def _check_thread(config: RunConfig, store: Store | None) -> None:
    """A run in a thread that uses up the memory ends its dashboard or notebook with it."""
    if config.run.executor != "thread":
        return
    try:
        needed, free = estimate_run(config, store).memory_bytes, free_memory()
    except ModelError:
        return  # a model that is downloaded first, of a size that its name does not tell
    if needed > THREAD_SHARE * free:
        raise ConfigError(
            f"executor is 'thread', and the run would take about {needed / 1e9:.1f} GB of the "
            f"{free / 1e9:.1f} GB that are free, inside the process that asks for it; a thread may "
            f"take {100 * THREAD_SHARE:.0f} % of them. Use executor 'process'."
        )


def _check_device(config: RunConfig) -> None:
    wanted, bits = config.models.device, config.models.quantize_base
    if bits != "none" and not processes.gpus():
        raise ConfigError(
            f"quantize_base is {bits!r}, which computes on a GPU, but no NVIDIA GPU is seen here; "
            "set quantize_base to 'none'."
        )
    if config.models.devices > 1 and wanted != "cpu":
        _check_devices(config.models.devices)
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


def _check_devices(wanted: int) -> None:
    found = len(processes.gpus())
    if 0 < found < wanted:
        raise ConfigError(
            f"devices is {wanted}, but there are {found} GPUs here; expected at most that."
        )


def _check_policy(config: RunConfig) -> ModelCard | None:
    what = "start policy"
    folder = find_folder(config.models.policy, what=what)
    if folder is None:
        return None
    card = read_card(folder, what=what)
    see_that_it_writes(card.config, folder, what=what)
    _check_template(config, folder)
    if card.eos_token is None:
        raise ModelError(
            f"The tokenizer of the start policy {folder} has no EOS token, so no answer could ever "
            "end; set eos_token in its tokenizer_config.json."
        )
    return card


def _check_template(config: RunConfig, folder: Path) -> None:
    given = config.data.chat_template
    if config.data.prompt_format == "text":
        return
    if given is not None and not Path(given).expanduser().is_file():
        raise ConfigError(
            f"chat_template is {given!r}, expected a file with a Jinja template, got none there; "
            "give another file, or none to use the tokenizer's own."
        )
    if config.data.prompt_format == "chat" and given is None and not has_chat_template(folder):
        raise ModelError(
            f"prompt_format is 'chat', but the tokenizer of the start policy {folder} has no chat "
            "template; expected chat_template.jinja there. Give a file with chat_template, or set "
            "prompt_format to 'text'."
        )


def _check_reward_model(config: RunConfig) -> ModelCard | None:
    if config.models.reward_model is None:
        return None
    what = "reward model"
    folder = find_folder(config.models.reward_model, what=what)
    if folder is None:
        return None
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"The reward model {folder} is an adapter; expected a whole sequence classifier. Merge "
            "it into the model that it belongs to."
        )
    card = read_card(folder, what=what)
    if not card.is_classifier or card.labels != 1:
        found = f"{card.labels} labels" if card.is_classifier else "no classification head"
        raise ModelError(
            f"The reward model {folder} has {found}; expected a sequence classifier with one label."
        )
    return card


def _critic_of(
    config: RunConfig, policy: ModelCard | None, reward_model: ModelCard | None
) -> ModelCard | None:
    """The model that the critic is made from, where it is another one than the policy."""
    wanted = config.ppo.advantage == "gae" and config.critic.critic_init == "reward_model"
    if not wanted or config.run.method == "rm":
        return None
    if config.models.reward_model is None and config.models.reward_source == "gold":
        raise ConfigError(
            "critic_init is 'reward_model', but with reward_source 'gold' none is trained; name a "
            "reward model, or set critic_init to 'policy'."
        )
    if policy and reward_model and same_tokens(policy, reward_model) is False:
        raise ConfigError(FOREIGN_CRITIC)
    return reward_model


@dataclass(frozen=True)
class Prompts:
    """Rows of one source whose prompts the run reads."""

    source: str
    pairs: Sequence[Pair]
    trained: bool = True
    """Whether episodes begin with them, and so the critic reads them too."""


def _check_data(config: RunConfig, store: Store | None) -> list[Prompts]:
    pairs = load_pairs(config.data.data, store=store)
    train, heldout = pairs.pairs, []
    shown = run_data.demonstrations(config, store)
    if config.data.heldout is not None:
        heldout = load_pairs(config.data.heldout, store=store).pairs
        train = run_data.trainable(train, heldout, config.data.data)
        shown = shown and run_data.trainable(shown, heldout, str(config.data.demonstrations))
    elif len({pair.prompt for pair in pairs.pairs}) < 2:
        raise DataError(
            f"{config.data.data} holds a single prompt, so none can be set apart for evaluation; "
            "give a file of held-out pairs, or more prompts."
        )
    gold = run_data.gold_of(config, pairs)
    run_data.check_facts((*train, *shown), config, gold)
    run_data.check_slots((*train, *heldout, *shown), gold)
    read = [Prompts(config.data.data, train)]
    if config.run.method == "drpo" and config.reset.reset_source == "demonstrations":
        read.append(Prompts(str(config.data.demonstrations), shown))
    if heldout and config.run.method != "rm":
        distinct = list({pair.prompt: pair for pair in heldout}.values())
        evaluated = distinct[: config.evaluation.eval_prompts]
        read.append(Prompts(str(config.data.heldout), evaluated, trained=False))
    return read


def prompt_limit(config: RunConfig, context: int | None) -> int:
    """Longest prompt in tokens that leaves room for an answer."""
    longest = config.data.max_prompt_length
    if context is None:
        return longest
    return min(longest, context - config.sampling.response_length)


def check_lengths(
    config: RunConfig, card: ModelCard, prompts: Sequence[Prompts], critic: ModelCard | None = None
) -> None:
    """See that prompts and answers fit the models' contexts.

    Args:
        config: The run's settings.
        card: The start policy.
        prompts: What it will read.
        critic: The reward model that the critic is made from, if any.

    Raises:
        ConfigError: Not even an empty prompt would fit.
        DataError: A prompt is too long and `long_prompts` is "error", or one that is not left out
            is too long for the critic.
    """
    limit = prompt_limit(config, card.context)
    room = limit if critic is None else prompt_limit(config, critic.context)
    if limit < 1:
        raise ConfigError(
            f"response_length is {config.sampling.response_length} tokens but the start policy's "
            f"context is {card.context}; make response_length smaller."
        )
    for read in prompts:
        least = min(limit, max(room, 0)) if read.trained else limit
        over = _longer_than(least, card, read.pairs, config)
        too_long = [(row, count) for row, count in over if count > limit]
        if too_long and len(too_long) == len(read.pairs):
            raise DataError(
                f"Every prompt of {read.source} is longer than {limit} tokens, what the model's "
                "context leaves beside response_length; use a model with a longer context."
            )
        if too_long and config.data.long_prompts == "error":
            raise DataError(
                f"{_first(read, too_long)}, expected at most {limit} (max_prompt_length, and what "
                "the context leaves beside response_length). Leave such rows out with "
                "long_prompts=drop, or use a model with a longer context."
            )
        unread = [(row, count) for row, count in over if count <= limit]
        if critic is not None and unread:
            raise DataError(
                f"{_first(read, unread)}, but critic_init is 'reward_model' and that model's "
                f"context of {critic.context} tokens leaves {max(room, 0)} beside response_length. "
                "Set critic_init to 'policy', or take a reward model with a longer context."
            )


def _longer_than(
    limit: int, card: ModelCard, pairs: Sequence[Pair], config: RunConfig
) -> list[tuple[int, int]]:
    """Row and tokens of the prompts over a limit; none where tokens cannot be counted here."""
    # A token is at least one byte of text, so shorter prompts need no counting.
    suspects = [pair for pair in pairs if len(pair.prompt.encode()) + TEMPLATE > limit]
    suspects.sort(key=lambda pair: len(pair.prompt), reverse=True)
    asked = [pair.asked for pair in suspects[:MOST_COUNTED]]
    data = config.data
    counts = prompt_tokens(card, asked, data.prompt_format, data.chat_template) or ()
    return [
        (pair.row, count) for pair, count in zip(suspects, counts, strict=False) if count > limit
    ]


def _first(read: Prompts, found: Sequence[tuple[int, int]]) -> str:
    row, count = min(found)
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{read.source}, row {row}{others}: the prompt has {count} tokens"
