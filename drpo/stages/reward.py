"""The reward model, fitted to the pairs by Bradley-Terry likelihood (arXiv:2404.08495, step 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import torch
from datasets import Dataset
from jaxtyping import Bool, Float, Int
from peft import PeftModel
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from trl import RewardConfig, RewardTrainer

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.errors import ModelError
from drpo.modeling.model_loading import context_length, load_causal, one_at_a_time
from drpo.modeling.reward_model import Pooling, RewardModel
from drpo.modeling.token_rows import pad_rows
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

# Ranking leaves the level of rewards open; this pulls it to zero, so that a fixed penalty for
# unfinished answers means the same with every reward model.
_CENTRE = 0.01
_ACCURACY = metrics.short(metrics.RM_ACCURACY)
_MARGIN = metrics.short(metrics.RM_MARGIN)
_MEAN_REWARD = metrics.short(metrics.RM_MEAN_REWARD)


def train_reward_model(
    config: RunConfig,
    pairs: Sequence[Pair],
    out: Path,
    *,
    model: str | Path | None = None,
    heldout: Sequence[Pair] = (),
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> StageResult:
    """Fit a reward model to the pairs, from a language model or an earlier reward model.

    Args:
        config: Settings; `stages.rm_*`, device, LoRA and seed are used.
        pairs: What to learn from.
        out: Folder to write; replaced if it exists.
        model: Where to start; `models.policy` when None.
        heldout: Pairs to measure on.
        progress: Told after every step.
        should_stop: Asked after every step.

    Returns:
        The folder, with `accuracy`, `margin` and `mean_reward` on the held-out pairs (without them,
        of the last step).

    Raises:
        DataError: No pair fits the model's context.
        ModelError: The start model or its tokenizer cannot be used.
    """
    start = model or config.models.policy
    tokenizer = load_padding_tokenizer(start)
    stages = config.stages
    hooks = Hooks("reward_model", progress, should_stop)
    with quiet_workspace(config) as folder:
        classifier = _load_classifier(start, tokenizer)  # draws a head, from the run's seed
        vocabulary = reader(tokenizer, classifier)
        rows, too_long = _rows(vocabulary, pairs, Room.of(config, context_length(classifier)))
        settings = arguments(
            config,
            epochs=stages.rm_epochs,
            learning_rate=stages.rm_learning_rate,
            batch_size=stages.rm_batch_size,
            folder=folder,
        )
        trainer = _PooledRewardTrainer(
            pooling=stages.rm_pooling,
            margin_weight=stages.rm_margin_weight,
            lm_weight=stages.rm_lm_weight,
            lm_head=_lm_head(start, classifier) if stages.rm_lm_weight else None,
            model=classifier,
            args=RewardConfig(**settings, center_rewards_coefficient=_CENTRE),
            data_collator=_Collator(vocabulary.pad),
            train_dataset=rows,
            processing_class=tokenizer,
            peft_config=lora(config, "SEQ_CLS", ["score"]),
        )
        stopped = run_trainer(trainer, hooks)
        last = last_step(trainer)
        whole = _unwrapped(trainer.model)
        whole.config.drpo_pooling = stages.rm_pooling
        whole.config.drpo_reads_end = True
        judge = RewardModel(whole, tokenizer, stages.rm_pooling, reads_end=True)
        figures = _measure(judge, heldout)
        save(trainer.model, tokenizer, out)
    measured = {"pairs": float(len(rows)), "pairs_too_long": float(too_long)}
    for name in (_ACCURACY, _MARGIN, _MEAN_REWARD):
        if name in figures or name in last:
            measured[name] = float(figures.get(name, last.get(name, 0.0)))
    return StageResult(out, measured, stopped)


class _PooledRewardTrainer(RewardTrainer):  # type: ignore[misc]
    """TRL's trainer with a choice of pooling and the language-modelling loss beside the ranking.

    The second loss keeps the network reading and writing: without it a small one forgets how to
    copy within a few hundred steps, and with it forgets what the facts were.
    """

    def __init__(
        self,
        *,
        pooling: Pooling,
        margin_weight: float,
        lm_weight: float,
        lm_head: nn.Module | None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**kwargs)
        self.pooling = pooling
        self.margin_weight = margin_weight
        self.lm_weight = lm_weight
        self.lm_head = None if lm_head is None else lm_head.to(self.args.device)

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:  # noqa: ANN401
        return dataset  # rows are tokens already

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = [
            "chosen_ids",
            "chosen_start",
            "rejected_ids",
            "rejected_start",
            "margin",
        ]

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        ids, attended = inputs["input_ids"], inputs["attention_mask"]
        response = inputs["response_mask"]
        reward = RewardModel(_unwrapped(model), None, self.pooling, reads_end=True)
        # accelerate wraps the model's own forward, which pooling goes around.
        with self.accelerator.autocast():
            writing = None
            if self.lm_head is None:
                scores = reward.score(ids, attended, response)
            else:  # one pass through the network serves both losses
                hidden = reward.hidden_states(ids, attended)
                scores = reward.pool(reward.apply_head(hidden), ids, attended, response)
                half = len(ids) // 2
                writing = _lm_loss(self.lm_head, hidden[:half], ids[:half], response[:half])
        chosen, rejected = scores.float().chunk(2)
        asked = self.margin_weight * inputs["margin"]
        loss = ranking_loss(chosen, rejected, asked)
        if writing is not None:
            loss = loss + self.lm_weight * writing
        self._note(chosen.detach(), rejected.detach())
        return (loss, {"logits": scores}) if return_outputs else loss

    def _note(self, chosen: Float[Tensor, " pairs"], rejected: Float[Tensor, " pairs"]) -> None:
        """Leave the step's figures where TRL's `log` picks them up."""
        figures = self._metrics["train"]
        figures[_ACCURACY].append((chosen > rejected).float().mean().item())
        figures[_MARGIN].append((chosen - rejected).mean().item())
        figures[_MEAN_REWARD].append(torch.cat([chosen, rejected]).mean().item())


class _Collator:
    """Chosen answers in the first half of the batch, rejected in the second, as TRL expects."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        both = [(row["chosen_ids"], row["chosen_start"]) for row in rows]
        both += [(row["rejected_ids"], row["rejected_start"]) for row in rows]
        ids, attended, response = pad_rows(both, self.pad)
        margin = torch.tensor([row["margin"] for row in rows], dtype=torch.float32)
        read = {"input_ids": ids, "attention_mask": attended, "response_mask": response}
        return {**read, "margin": margin}


def ranking_loss(
    chosen: Float[Tensor, " pairs"],
    rejected: Float[Tensor, " pairs"],
    margin: Float[Tensor, " pairs"],
) -> Float[Tensor, ""]:
    """Bradley-Terry with a margin, and a pull of each pair's mean score to zero.

    -log sigmoid(r(chosen) - r(rejected) - margin): clearer preferences must be told by more.

    Args:
        chosen: Scores.
        rejected: Scores.
        margin: By how much the first should lie above the second, in score units.

    Source: Touvron et al. 2023, Llama 2 (arXiv:2307.09288), equation 2.
    """
    ranked = -logsigmoid(chosen - rejected - margin).mean()
    return ranked + _CENTRE * (chosen + rejected).square().mean()


def margins_of(pairs: Sequence[Pair]) -> list[float]:
    """Return each pair's margin in units of the mean one; pairs without one ask for no distance."""
    known = [pair.margin for pair in pairs]
    sizes = [abs(margin) for margin in known if margin is not None]
    mean = fmean(sizes) if sizes else 0.0
    return [0.0 if not margin or mean == 0 else max(0.0, margin) / mean for margin in known]


def _lm_loss(
    head: nn.Module,
    hidden: Float[Tensor, "batch time width"],
    ids: Int[Tensor, "batch time"],
    response: Bool[Tensor, "batch time"],
) -> Float[Tensor, ""]:
    """Nats a token of the answers, each predicted from what stands before it."""
    wanted = response[:, 1:]
    return cross_entropy(head(hidden[:, :-1][wanted]), ids[:, 1:][wanted])


def _lm_head(start: str | Path, classifier: PreTrainedModel) -> nn.Module:
    """The start model's output layer: the live embeddings where it is tied to them, else frozen."""
    head = cast(nn.Linear, load_causal(start).get_output_embeddings())
    if classifier.config.get_text_config().tie_word_embeddings:
        head.weight = cast(nn.Embedding, classifier.get_input_embeddings()).weight
        return head
    return head.requires_grad_(requires_grad=False)


def _unwrapped(model: nn.Module) -> PreTrainedModel:
    """The classifier below adapters and accelerate's wrapping."""
    inner = getattr(model, "module", model)
    base = inner.get_base_model() if isinstance(inner, PeftModel) else inner
    return cast(PreTrainedModel, base)


def _measure(reward: RewardModel, heldout: Sequence[Pair]) -> Mapping[str, float]:
    if not heldout:
        return {}
    reward.eval()
    prompts = [pair.prompt for pair in heldout]
    chosen = reward.score_texts(prompts, [pair.chosen for pair in heldout])
    rejected = reward.score_texts(prompts, [pair.rejected for pair in heldout])
    gaps = [better - worse for better, worse in zip(chosen, rejected, strict=True)]
    return {
        _ACCURACY: fmean(gap > 0 for gap in gaps),
        _MARGIN: fmean(gaps),
        _MEAN_REWARD: fmean([*chosen, *rejected]),
    }


@one_at_a_time
def _load_classifier(start: str | Path, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    try:
        classifier = AutoModelForSequenceClassification.from_pretrained(
            start,
            num_labels=1,
            dtype=torch.float32,
            trust_remote_code=False,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{start}: expected a model that can be made into a sequence classifier, got one that "
            "cannot be read as such; start the reward model from another one."
        ) from error
    classifier.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    return cast(PreTrainedModel, classifier)


def _rows(vocabulary: Vocabulary, pairs: Sequence[Pair], room: Room) -> tuple[Dataset, int]:
    prompts = [pair.prompt for pair in pairs]
    chosen = vocabulary.rows(prompts, [pair.chosen for pair in pairs])
    rejected = vocabulary.rows(prompts, [pair.rejected for pair in pairs])
    rows = [
        {"chosen_ids": ids, "chosen_start": start, "rejected_ids": others, "rejected_start": at}
        | {"margin": margin}
        for (ids, start), (others, at), margin in zip(
            chosen, rejected, margins_of(pairs), strict=True
        )
    ]
    lengths = [
        (start, max(len(ids), len(others)))
        for (ids, start), (others, _) in zip(chosen, rejected, strict=True)
    ]
    return rows_that_fit(rows, lengths, room)
