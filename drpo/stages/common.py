"""What the stages share: arguments for TRL, loading, progress and stop, saving in one piece."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from drpo.config.run_config import RunConfig
from drpo.errors import DataError, ModelError
from drpo.files import whole_folder, write_checksums
from drpo.modeling.model_loading import end_tokens, load_tokenizer
from drpo.modeling.tokenization import Vocabulary

Progress = Callable[[str, int, int, dict[str, float]], None]
"""Called as `progress(stage, steps done, steps in all, figures of the last step)`."""


@dataclass(frozen=True)
class StageResult:
    """What a stage leaves behind."""

    folder: Path
    """A Hugging Face folder, complete."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Figures on held-out pairs, without them the last of training; `pairs`, `pairs_too_long`."""
    stopped: bool = False
    """Whether a person stopped it early; the folder then holds what was learned so far."""


@dataclass(frozen=True)
class Hooks:
    """How the outside listens and interrupts."""

    stage: str
    progress: Progress | None = None
    should_stop: Callable[[], bool] | None = None


class _Report(TrainerCallback):  # type: ignore[misc]
    """Tells the outside after every step, and stops the trainer when asked."""

    def __init__(self, hooks: Hooks) -> None:
        self.hooks = hooks
        self.stopped = False

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the signature is transformers'
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401, ARG002
    ) -> None:
        if self.hooks.should_stop is not None and self.hooks.should_stop():
            self.stopped = True
            control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: Mapping[str, float] | None = None,
        **kwargs: Any,  # noqa: ANN401, ARG002
    ) -> None:
        if self.hooks.progress is None or logs is None or "loss" not in logs:
            return  # the summary after the last step and evaluations are not steps
        values = {name: float(value) for name, value in logs.items() if name != "epoch"}
        self.hooks.progress(self.hooks.stage, state.global_step, state.max_steps, values)


def run_trainer(trainer: Trainer, hooks: Hooks) -> bool:
    """Train; returns whether a person stopped it."""
    report = _Report(hooks)
    trainer.remove_callback(PrinterCallback)  # it prints to standard output
    trainer.add_callback(report)
    trainer.train()
    return report.stopped


def last_step(trainer: Trainer) -> dict[str, float]:
    """Figures of the last training step; empty when there was none."""
    return next((log for log in reversed(trainer.state.log_history) if "loss" in log), {})


def arguments(
    config: RunConfig, *, epochs: float, learning_rate: float, batch_size: int, folder: str
) -> dict[str, Any]:
    """Arguments every TRL trainer here is given.

    One process, one device; nothing is reported, uploaded or checkpointed. The rate warms up over
    5 % of the steps and falls to zero on a cosine. A batch that is larger than the micro-batch is
    taken in equal parts.
    """
    most = min(batch_size, config.ppo.micro_batch_size)
    at_once = next(rows for rows in range(most, 0, -1) if batch_size % rows == 0)
    return {
        "output_dir": folder,
        "num_train_epochs": epochs,
        "learning_rate": learning_rate,
        "per_device_train_batch_size": at_once,
        "per_device_eval_batch_size": at_once,
        "gradient_accumulation_steps": batch_size // at_once,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.05,
        "max_grad_norm": config.ppo.max_grad_norm,
        "seed": config.run.seed,
        "data_seed": config.run.seed,
        "use_cpu": on_cpu(config),
        "bf16": mixed_precision(config),
        "activation_checkpointing": config.models.gradient_checkpointing,
        "dataloader_pin_memory": not on_cpu(config),
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": [],
        "save_strategy": "no",
        "eval_strategy": "no",
        "max_length": None,  # rows that do not fit were left out beforehand, and counted
    }


def on_cpu(config: RunConfig) -> bool:
    """Whether the run trains on the processor."""
    wanted = config.models.device
    return wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available())


def mixed_precision(config: RunConfig) -> bool:
    """Whether matrices are multiplied in bfloat16; weights stay in float32 either way."""
    if on_cpu(config):
        return False
    return config.models.dtype == "bfloat16" or (
        config.models.dtype == "auto" and torch.cuda.is_bf16_supported(including_emulation=False)
    )


def lora(config: RunConfig, task: str, heads: Sequence[str] = ()) -> LoraConfig | None:
    """Low-rank adapters as configured; `heads` are trained whole and saved."""
    if config.models.lora_rank == 0:
        return None
    return LoraConfig(
        task_type=task,
        r=config.models.lora_rank,
        lora_alpha=config.models.lora_alpha,
        target_modules="all-linear",
        modules_to_save=list(heads) or None,
    )


@contextmanager
def quiet_workspace(config: RunConfig) -> Iterator[str]:
    """A folder for what TRL insists on writing, removed afterwards, with random state restored.

    The trainers seed torch's global generators; whoever called has draws of their own.
    """
    devices = [] if on_cpu(config) else list(range(torch.cuda.device_count()))
    with (
        torch.random.fork_rng(devices=devices),
        warnings.catch_warnings(),
        tempfile.TemporaryDirectory(prefix="drpo-stage-") as folder,
    ):
        # TRL 1.16 still asks for names that transformers 5.23 has renamed.
        warnings.filterwarnings("ignore", ".*gradient_checkpointing", FutureWarning)
        torch.manual_seed(config.run.seed)
        yield folder


def load_padding_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer and see that it can pad and end an answer.

    A missing pad token is taken to be the unknown token, and EOS only where there is no other:
    Hugging Face's classifiers look for the last token that is not padding, so with EOS as padding
    they would never read it.

    Raises:
        ModelError: There is no tokenizer, or it has no EOS token.
    """
    tokenizer = load_tokenizer(folder)
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"{folder}: expected a tokenizer with an EOS token, got none; without one an answer "
            "can never end. Set eos_token in its tokenizer_config.json."
        )
    if tokenizer.pad_token_id is None:
        unknown = tokenizer.unk_token
        usable = unknown is not None and tokenizer.unk_token_id != tokenizer.eos_token_id
        tokenizer.pad_token = unknown if usable else tokenizer.eos_token
    return tokenizer


@dataclass(frozen=True)
class Room:
    """How long a stage's rows may be, in tokens."""

    context: int | None
    """The whole row: what the model has positions for."""
    prompt: int | None
    """The prompt alone, where long ones are to be left out; None where they are an error, which
    the policy's own training raises."""

    @classmethod
    def of(cls, config: RunConfig, context: int | None) -> Room:
        """What the settings and a model leave."""
        drop = config.data.long_prompts == "drop"
        return cls(context, config.data.max_prompt_length if drop else None)


def reader(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> Vocabulary:
    """The one way from text to tokens, for rows of a stage."""
    return Vocabulary.of(tokenizer, end_tokens(model))


def rows_that_fit(
    rows: Sequence[dict[str, Any]], lengths: Sequence[tuple[int, int]], room: Room
) -> tuple[Dataset, int]:
    """Leave out rows that are too long, rather than train on their beginnings.

    Args:
        rows: What the stage trains on.
        lengths: Tokens of each row's prompt, and of the whole row.
        room: How long they may be.

    Returns:
        The rest, and how many were left out.

    Raises:
        DataError: Nothing is left.
    """
    kept = [
        row
        for row, (prompt, whole) in zip(rows, lengths, strict=True)
        if (room.prompt is None or prompt <= room.prompt)
        and (room.context is None or whole <= room.context)
    ]
    if not kept:
        asked = [f"{room.context} tokens, the model's context"] if room.context else []
        asked += [f"{room.prompt} tokens of prompt (max_prompt_length)"] if room.prompt else []
        prompt, whole = min(lengths, key=sum, default=(0, 0))
        raise DataError(
            f"Expected pairs of at most {' and '.join(asked)}, got {len(rows)} pairs of which the "
            f"shortest has {whole}, its prompt {prompt}; use a model with a longer context or "
            "shorter texts."
        )
    return Dataset.from_list(kept), len(rows) - len(kept)


def save(model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    """Save a whole Hugging Face folder or nothing.

    Low-rank adapters are merged into the weights first.
    """
    whole = model.merge_and_unload() if isinstance(model, PeftModel) else model
    with whole_folder(out, durable=True) as beside:
        whole.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        write_checksums(beside)
