"""Supervised fine-tuning on the chosen answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.rl.micro_batches import micro_batch_of
from drpo.rl.scoring import action_log_probs
from drpo.stages.common import Learner, StageResult, save, whole_start
from drpo.stages.examples import Example, fitting, one_row
from drpo.stages.fit import Hooks, Plan, Progress, fit, measure


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
        config: Settings; `stages.sft_*`, device, number format, LoRA and seed are used.
        pairs: What to learn from.
        out: Folder to write; replaced if it exists.
        model: Where to start; `models.policy` when None.
        heldout: Pairs to measure the loss on.
        progress: Told after every step.
        should_stop: Asked before every part of a step.

    Returns:
        The folder, with `loss` in nats a token on the held-out pairs.

    Raises:
        DataError: No pair fits the model's context.
        ModelError: The start model or its tokenizer cannot be used.
    """
    start = model or config.models.policy
    learner = Learner.load(config, start, stage="sft")
    chosen = fitting(one_row(learner.vocabulary, pairs), learner.room)
    stages, hooks = config.stages, Hooks("sft", progress, should_stop)

    def unlikeliness(
        part: Sequence[Example], batch: Sequence[Example]
    ) -> tuple[Float[Tensor, ""], dict[str, float]]:
        rows = [row for example in part for row in example.rows]
        laid = micro_batch_of(rows, learner.precision.device)
        logs = action_log_probs(learner.network, laid, learner.precision, 1.0)
        return -logs.sum() / sum(example.written for example in batch), {}

    plan = Plan(stages.sft_epochs, stages.sft_learning_rate, stages.sft_batch_size)
    fitted = fit(learner.network, chosen.examples, unlikeliness, plan, config, hooks)
    measured = chosen.figures
    if heldout and not fitted.stopped:
        held = fitting(one_row(learner.vocabulary, heldout), learner.room)
        found = measure(held.examples, unlikeliness, config, hooks)
        measured |= {metrics.short(metrics.SFT_LOSS): found["loss"]} if found else {}
    save(learner.network, learner.tokenizer, out, whole_start(config, start))
    return StageResult(out, measured, fitted.stopped)
