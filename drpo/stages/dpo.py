"""Direct preference optimisation, the baseline without a reward model (arXiv:2305.18290)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

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
    last_step,
    load_padding_tokenizer,
    lora,
    quiet_workspace,
    reader,
    rows_that_fit,
    run_trainer,
    save,
)

_FIGURES = (
    metrics.DPO_REWARDS_CHOSEN,
    metrics.DPO_REWARDS_REJECTED,
    metrics.DPO_REWARDS_ACCURACIES,
    metrics.DPO_REWARDS_MARGINS,
)


class _TokenisedDPO(DPOTrainer):  # type: ignore[misc]
    """TRL's trainer on rows that are tokens already, so that all stages cut texts alike."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:  # noqa: ANN401
        return dataset


def train_dpo(
    config: RunConfig,
    pairs: Sequence[Pair],
    out: Path,
    *,
    model: str | Path | None = None,
    heldout: Sequence[Pair] = (),
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> StageResult:
    """Fit a language model to the pairs directly; the reference is where it starts.

    Args:
        config: Settings; `stages.dpo_*`, device, LoRA and seed are used.
        pairs: What to learn from.
        out: Folder to write; replaced if it exists.
        model: Where to start; `models.policy` when None.
        heldout: Pairs to measure implicit rewards on.
        progress: Told after every step.
        should_stop: Asked after every step.

    Returns:
        The folder, with `rewards/chosen`, `rewards/rejected`, `rewards/accuracies` and
        `rewards/margins` on the held-out pairs (without them, of the last step).

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
    adapters = lora(config, "CAUSAL_LM")
    hooks = Hooks("dpo", progress, should_stop)
    with quiet_workspace(config) as folder:
        settings = arguments(
            config,
            epochs=config.stages.dpo_epochs,
            learning_rate=config.stages.dpo_learning_rate,
            batch_size=config.stages.dpo_batch_size,
            folder=folder,
        )
        trainer = _TokenisedDPO(
            model=policy,
            # With adapters TRL switches them off to get the reference: no second copy needed.
            ref_model=None if adapters else load_causal(start),
            args=DPOConfig(**settings, beta=config.stages.dpo_beta),
            train_dataset=rows,
            eval_dataset=_rows(vocabulary, heldout, room)[0] if heldout else None,
            processing_class=tokenizer,
            peft_config=adapters,
        )
        stopped = run_trainer(trainer, hooks)
        figures = trainer.evaluate() if heldout else last_step(trainer)
        save(trainer.model, tokenizer, out)
    prefix = "eval_" if heldout else ""
    measured = {"pairs": float(len(rows)), "pairs_too_long": float(too_long)}
    measured |= {
        name: float(figures[prefix + name])
        for name in map(metrics.short, _FIGURES)
        if prefix + name in figures
    }
    return StageResult(out, measured, stopped)


def _rows(vocabulary: Vocabulary, pairs: Sequence[Pair], room: Room) -> tuple[Dataset, int]:
    prompts = [pair.prompt for pair in pairs]
    heads = vocabulary.prompts(prompts)
    chosen = vocabulary.answers(prompts, [pair.chosen for pair in pairs])
    rejected = vocabulary.answers(prompts, [pair.rejected for pair in pairs])
    rows, lengths = [], []
    for head, better, worse in zip(heads, chosen, rejected, strict=True):
        rows.append({"prompt_ids": head, "chosen_ids": better, "rejected_ids": worse})
        lengths.append((len(head), len(head) + max(len(better), len(worse))))
    return rows_that_fit(rows, lengths, room)
