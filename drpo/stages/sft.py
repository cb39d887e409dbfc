"""Supervised fine-tuning on the chosen answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.modeling.model_loading import context_length, load_causal
from drpo.modeling.tokenization import Vocabulary
from drpo.stages.common import (
    Hooks,
    Progress,
    Room,
    StageResult,
    arguments,
    load_padding_tokenizer,
    lora,
    quiet_workspace,
    reader,
    rows_that_fit,
    run_trainer,
    save,
)


def train_sft(
    config: RunConfig,
    pairs: Sequence[Pair],
    out: Path,
    *,
    model: str | Path | None = None,
    heldout: Sequence[Pair] = (),
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> StageResult:
    """Teach a language model to write the chosen answers.

    Only the answers' tokens, EOS included, enter the loss.

    Args:
        config: Settings; `stages.sft_*`, device, LoRA and seed are used.
        pairs: What to learn from.
        out: Folder to write; replaced if it exists.
        model: Where to start; `models.policy` when None.
        heldout: Pairs to measure the loss on.
        progress: Told after every step.
        should_stop: Asked after every step.

    Returns:
        The folder, with `loss` in nats a token on the held-out pairs.

    Raises:
        DataError: No pair fits the model's context.
        ModelError: The start model or its tokenizer cannot be used.
    """
    start = model or config.models.policy
    tokenizer = load_padding_tokenizer(start)
    policy = load_causal(start)
    room = Room.of(config, context_length(policy))
    vocabulary = reader(tokenizer, policy)
    rows, too_long = _rows(vocabulary, pairs, room)
    hooks = Hooks("sft", progress, should_stop)
    with quiet_workspace(config) as folder:
        settings = arguments(
            config,
            epochs=config.stages.sft_epochs,
            learning_rate=config.stages.sft_learning_rate,
            batch_size=config.stages.sft_batch_size,
            folder=folder,
        )
        trainer = SFTTrainer(
            model=policy,
            args=SFTConfig(**settings, dataset_kwargs={"skip_prepare_dataset": True}),
            train_dataset=rows,
            eval_dataset=_rows(vocabulary, heldout, room)[0] if heldout else None,
            processing_class=tokenizer,
            peft_config=lora(config, "CAUSAL_LM"),
        )
        stopped = run_trainer(trainer, hooks)
        measured = {"pairs": float(len(rows)), "pairs_too_long": float(too_long)}
        if heldout:
            measured[metrics.short(metrics.SFT_LOSS)] = float(trainer.evaluate()["eval_loss"])
        save(trainer.model, tokenizer, out)
    return StageResult(out, measured, stopped)


def _rows(vocabulary: Vocabulary, pairs: Sequence[Pair], room: Room) -> tuple[Dataset, int]:
    encoded = vocabulary.rows([pair.prompt for pair in pairs], [pair.chosen for pair in pairs])
    rows = [{"input_ids": ids, "labels": [-100] * at + ids[at:]} for ids, at in encoded]
    return rows_that_fit(rows, [(at, len(ids)) for ids, at in encoded], room)
