"""The reward model, fitted to the pairs by Bradley-Terry likelihood (arXiv:2404.08495, step 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import logsigmoid
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.config.settings import StageSettings
from drpo.data.pairs import Pair, Prompt
from drpo.errors import ModelError
from drpo.modeling.adapters import with_adapters
from drpo.modeling.base_loading import load_base, weights_format
from drpo.modeling.forward_pass import Precision, precision_of
from drpo.modeling.interrupt import StopAskedError, stops_between_passes
from drpo.modeling.model_loading import (
    UNREADABLE,
    context_length,
    end_tokens,
    load_classifier,
    one_at_a_time,
)
from drpo.modeling.reward_model import RewardModel
from drpo.modeling.seeding import generator_for
from drpo.modeling.token_rows import pad_rows
from drpo.modeling.tokenization import Vocabulary
from drpo.parallel.group import here
from drpo.rl.scoring import log_probs_of
from drpo.stages.common import (
    StageResult,
    load_padding_tokenizer,
    ready,
    save,
    template_of,
)
from drpo.stages.examples import Example, Room, fitting, two_rows
from drpo.stages.fit import Hooks, Plan, Progress, fit

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
        config: Settings; `stages.rm_*`, device, number format, LoRA and seed are used.
        pairs: What to learn from.
        out: Folder to write; replaced if it exists.
        model: Where to start; `models.policy` when None.
        heldout: Pairs to measure on.
        progress: Told after every step.
        should_stop: Asked before every part of a step, and between held-out batches.

    Returns:
        The folder, with `accuracy`, `margin` and `mean_reward` on the held-out pairs (without them,
        of the last step).

    Raises:
        DataError: No pair fits the model's context.
        ModelError: The start model or its tokenizer cannot be used.
    """
    start = model or config.models.policy
    tokenizer = load_padding_tokenizer(start)
    precision = precision_of(config.models.device, config.models.dtype)
    stages, hooks = config.stages, Hooks("reward_model", progress, should_stop)
    classifier, lm_head = _load_classifier(start, config, precision)
    classifier.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    classifier.config.drpo_pooling = stages.rm_pooling
    classifier.config.drpo_reads_end = True
    chat = template_of(config, tokenizer, start)
    classifier.config.drpo_prompt_format = "text" if chat is None else "chat"
    vocabulary = Vocabulary.of(tokenizer, end_tokens(classifier), chat=chat)
    examples = two_rows(vocabulary, pairs, margins_of(pairs))
    chosen = fitting(examples, Room.of(config, context_length(classifier)))
    network: nn.Module = classifier
    if config.models.lora_rank:
        heads = ["score"] if hasattr(classifier, "score") else ["classifier"]
        network = with_adapters(
            classifier, config, purpose="reward adapter", heads=heads, start=start
        )
    network = ready(network, config, precision)
    judge = RewardModel(classifier, tokenizer, stages.rm_pooling, reads_end=True, chat=chat)
    objective = _Ranking(judge, vocabulary.pad, lm_head, stages, precision)
    plan = Plan(stages.rm_epochs, stages.rm_learning_rate, stages.rm_batch_size)
    fitted = fit(network, chosen.examples, objective, plan, config, hooks)
    figures: Mapping[str, float] = {}
    if not fitted.stopped:
        stopping = stops_between_passes([classifier], hooks.stop_asked, here())
        with suppress(StopAskedError), stopping:
            figures = _measure(judge, heldout, config, precision)

    def whole() -> PreTrainedModel:
        unquantised = config.replace(quantize_base="none")
        again = _load_classifier(start, unquantised, precision)[0]
        again.config = classifier.config
        return again

    save(network, tokenizer, out, whole)
    measured = chosen.figures
    for name in (_ACCURACY, _MARGIN, _MEAN_REWARD):
        if name in figures or name in fitted.last:
            measured[name] = float(figures.get(name, fitted.last.get(name, 0.0)))
    return StageResult(out, measured, fitted.stopped)


@dataclass
class _Ranking:
    """Bradley-Terry's loss, and the language-modelling loss beside it where it has a weight.

    The second loss keeps the network reading and writing: without it a small one forgets how to
    copy within a few hundred steps, and with it forgets what the facts were.
    """

    reward: RewardModel
    pad: int
    lm_head: nn.Module | None
    stages: StageSettings
    precision: Precision

    def __call__(
        self, part: Sequence[Example], batch: Sequence[Example]
    ) -> tuple[Float[Tensor, ""], dict[str, float]]:
        rows = [row for place in (0, 1) for row in (example.rows[place] for example in part)]
        laid = (one.to(self.precision.device) for one in pad_rows(rows, self.pad))
        ids, attended, response = laid
        writing: Tensor | float = 0.0
        with self.precision.autocast():
            if self.lm_head is None or not self.stages.rm_lm_weight:
                scores = self.reward.score(ids, attended, response)
            else:  # one pass through the network serves both losses
                hidden = self.reward.hidden_states(ids, attended)
                scores = self.reward.pool(self.reward.apply_head(hidden), ids, attended, response)
                half = len(ids) // 2
                nats = _nats(self.lm_head, hidden[:half], ids[:half], response[:half])
                writing = (
                    self.stages.rm_lm_weight * nats / sum(example.written for example in batch)
                )
        chosen, rejected = scores.float().chunk(2)
        margin = torch.tensor([example.margin for example in part], device=chosen.device)
        loss = ranking_loss(chosen, rejected, self.stages.rm_margin_weight * margin)
        return loss * len(part) / len(batch) + writing, {
            name: float(value.detach().sum()) / len(batch)
            for name, value in {
                _ACCURACY: (chosen > rejected).float(),
                _MARGIN: chosen - rejected,
                _MEAN_REWARD: (chosen + rejected) / 2,
            }.items()
        }


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


def _nats(
    head: nn.Module,
    hidden: Float[Tensor, "batch time width"],
    ids: Int[Tensor, "batch time"],
    response: Bool[Tensor, "batch time"],
) -> Float[Tensor, ""]:
    """Nats of the answers' tokens, each predicted from what stands before it, added up."""
    wanted = response[:, 1:]
    words = int(cast(nn.Linear, head).weight.shape[0])
    return -log_probs_of(head, words, hidden[:, :-1][wanted], ids[:, 1:][wanted]).sum()


def _measure(
    reward: RewardModel, heldout: Sequence[Pair], config: RunConfig, precision: Precision
) -> Mapping[str, float]:
    if not heldout:
        return {}
    reward.eval()
    size, tokens = config.ppo.rows_at_once, config.tokens_at_once

    def score(answers: Sequence[tuple[Prompt, str]]) -> list[float]:
        prompts, texts = [prompt for prompt, _ in answers], [text for _, text in answers]
        return reward.score_texts(prompts, texts, size, tokens=tokens)

    with precision.autocast():
        chosen, rejected = (
            here().each([(pair.asked, getattr(pair, kind)) for pair in heldout], score)
            for kind in ("chosen", "rejected")
        )
    gaps = [better - worse for better, worse in zip(chosen, rejected, strict=True)]
    return {
        _ACCURACY: fmean(gap > 0 for gap in gaps),
        _MARGIN: fmean(gaps),
        _MEAN_REWARD: fmean([*chosen, *rejected]),
    }


@one_at_a_time
def _load_classifier(
    start: str | Path, config: RunConfig, precision: Precision
) -> tuple[PreTrainedModel, nn.Module | None]:
    """Make a classifier of a language model: its body, and a head drawn from the run's seed.

    Returns:
        The classifier, and the language model's own head: live where it is tied to the embeddings,
        else frozen; None where the start is a classifier already.
    """
    try:
        described = AutoConfig.from_pretrained(start, trust_remote_code=False)
        names = described.architectures or []
        if any("SequenceClassification" in name for name in names):
            return load_classifier(start, weights_format(config, precision)), None
    except UNREADABLE:
        pass  # an adapter has no config of its own, and what cannot be read is told below
    causal = load_base(start, config, precision)
    causal.config.num_labels = 1
    try:
        with torch.device("meta"):
            classifier = AutoModelForSequenceClassification.from_config(causal.config)
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"{start}: expected a model that can be made into a sequence classifier, got one that "
            "cannot be read as such; start the reward model from another one."
        ) from error
    head = getattr(classifier, "score", None)
    if not isinstance(head, nn.Linear):
        raise ModelError(
            f"{start}: expected a model whose classifier has a head that reads one token at a "
            f"time, got {type(classifier).__name__}; start the reward model from another one."
        )
    setattr(classifier, classifier.base_model_prefix, causal.base_model)
    fresh = torch.empty(head.weight.shape)
    spread = getattr(causal.config.get_text_config(), "initializer_range", 0.02)
    generator = generator_for(config.run.seed, 0, "reward head")
    nn.init.normal_(fresh, std=spread, generator=generator)
    if config.stages.rm_pooling == "sum":
        # Added up over an answer's tokens, what is drawn is noise larger than anything that pairs
        # say, and stays for hundreds of steps: a sum begins at nothing.
        fresh.zero_()
    # Never in half precision: scores are compared with each other digit by digit.
    # `skip_init`, because the usual draw would come from global state.
    classifier.score = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Linear, head.in_features, 1, bias=head.bias is not None
    )
    with torch.no_grad():
        classifier.score.weight.copy_(fresh)
        if head.bias is not None:
            classifier.score.bias.zero_()
    lm_head = causal.get_output_embeddings()
    if not causal.config.get_text_config().tie_word_embeddings:
        lm_head.requires_grad_(requires_grad=False)
    for said in ("is_quantized", "is_loaded_in_8bit", "is_loaded_in_4bit"):
        setattr(classifier, said, getattr(causal, said, False))  # PEFT's layers depend on it
    return cast(PreTrainedModel, classifier), lm_head
