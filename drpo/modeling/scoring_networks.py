"""A run's critic and reward model: on the policy's weights where they come from the same base."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig, load_peft_weights
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError, ModelError, first_line
from drpo.modeling.adapter_files import BESIDE
from drpo.modeling.adapters import draw, with_adapters
from drpo.modeling.chat_template import PromptFormat
from drpo.modeling.critic import (
    Critic,
    critic_from_policy,
    critic_from_reward,
    critic_of,
    score_head,
)
from drpo.modeling.forward_pass import Precision
from drpo.modeling.model_files import FOREIGN_CRITIC
from drpo.modeling.model_loading import UNREADABLE, hidden_width, one_at_a_time
from drpo.modeling.reward_model import load_reward_model
from drpo.modeling.scorers import LearnedScorer
from drpo.modeling.shared_base import CRITIC, POLICY, REWARD, SharedBackbone, SharedBase
from drpo.modeling.tokenization import Vocabulary
from drpo.parallel.group import here

_WITHIN = "base_model.model."
"""What PEFT puts in front of the names of a model's parts."""


def load_scorer(
    config: RunConfig,
    folder: str | Path | None,
    vocabulary: Vocabulary,
    precision: Precision,
    prompt_format: PromptFormat,
    shared: SharedBase | None,
) -> LearnedScorer | None:
    """Load a run's reward model; None where there is none.

    Args:
        config: How much is scored at once.
        folder: The reward model.
        vocabulary: The policy's.
        precision: Where and in which format it computes.
        prompt_format: How it reads prompts where its folder does not say.
        shared: The start policy's weights; with the adapter `REWARD` where it is one on them.

    Raises:
        ModelError: It cannot be read.
    """
    if folder is None:
        return None
    model = load_reward_model(
        folder,
        device=precision.device,
        dtype=precision.dtype,
        prompt_format=prompt_format,
        classifier=classifier_on(shared, folder) if shared and shared.has(REWARD) else None,
    )
    same = model.reads_like(vocabulary)
    rows, tokens = config.ppo.rows_at_once, config.tokens_at_once
    return LearnedScorer(model, same, precision, rows, tokens, here())


def load_critic(
    config: RunConfig,
    start: str | Path,
    folder: str | Path | None,
    dtype: torch.dtype,
    vocabulary: Vocabulary,
    shared: SharedBase | None,
    learned: LearnedScorer | None,
) -> Critic | None:
    """Load or make a run's critic; None where episodes are held against their group.

    Args:
        config: What it starts from.
        start: The start policy.
        folder: The reward model.
        dtype: Number format of weights that are loaded.
        vocabulary: The policy's.
        shared: The start policy's weights, where adapters are trained on them.
        learned: The reward model in memory.

    Raises:
        ConfigError: It should start from a reward model that is not there or has no such head.
        ModelError: A folder cannot be read.
    """
    if config.ppo.advantage != "gae":
        return None
    if config.critic.critic_init == "policy":
        if shared is None:
            return critic_from_policy(start, dtype)
        return Critic(_body(shared, config), hidden_width(shared.base))
    if learned is not None and not learned.model.shares_tokenizer(vocabulary.tokenizer):
        raise ConfigError(FOREIGN_CRITIC)
    if shared is None or learned is None:
        return critic_from_reward(folder, dtype)
    return _critic_on_reward(learned.model.classifier, shared, config)


def settings_of(adapter: Path) -> LoraConfig:
    """Return an adapter's settings for a causal base: without the head that was saved with it."""
    settings = LoraConfig.from_pretrained(str(adapter))
    settings.task_type, settings.modules_to_save = "CAUSAL_LM", None
    return cast(LoraConfig, settings)


@one_at_a_time
def classifier_on(shared: SharedBase, folder: str | Path) -> PreTrainedModel:
    """Make a reward model's classifier of a shared base, its adapter and its head.

    Args:
        shared: The base, with the adapter `REWARD`, whose weights are still to be filled in.
        folder: The reward model.

    Raises:
        ModelError: The adapter cannot be read, or does not fit the base.
    """
    with torch.device("meta"):  # of its own the classifier has the head alone
        classifier = AutoModelForSequenceClassification.from_config(
            AutoConfig.from_pretrained(folder, trust_remote_code=False)
        )
    prefix, body = classifier.base_model_prefix, SharedBackbone(shared, REWARD)
    try:
        saved = load_peft_weights(str(Path(folder) / BESIDE), device="cpu")
        head, adapted = _within(saved, "score"), _within(saved, prefix)
        width = head["weight"].shape[1]
        classifier.score = nn.utils.skip_init(  # type: ignore[no-untyped-call]
            nn.Linear, width, 1, bias="bias" in head, dtype=head["weight"].dtype
        )
        classifier.score.load_state_dict(head)
        body.load_state_dict(
            {
                f"{_WITHIN}{name.removesuffix('weight')}{POLICY}.weight": weight
                for name, weight in adapted.items()
            }
        )
    except UNREADABLE as error:
        raise ModelError(
            f"{folder}: expected the reward model's adapter on the start policy in {BESIDE}, got "
            f"one that does not fit it ({first_line(error)}); train it again, or delete {BESIDE}: "
            "the whole weights stand beside it."
        ) from error
    setattr(classifier, prefix, body)
    return cast(PreTrainedModel, classifier)


def _within(saved: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """Return what an adapter holds of a part of its model, named as in that part."""
    above = f"{_WITHIN}{part}."
    return {n.removeprefix(above): w for n, w in saved.items() if n.startswith(above)}


def _critic_on_reward(classifier: PreTrainedModel, shared: SharedBase, config: RunConfig) -> Critic:
    """Start a critic from a reward model that is in memory, its head included.

    Where the reward model is an adapter on the policy's base, the critic is both adapters on it;
    else it is an adapter on the reward model's own weights.

    Raises:
        ConfigError: The reward model's head reads more than one token.
    """
    head, body = score_head(classifier), classifier.base_model
    if isinstance(body, SharedBackbone):
        return critic_of(_body(shared, config, REWARD), head)
    adapted = with_adapters(cast(PreTrainedModel, body), config, purpose="critic adapter")
    return critic_of(SharedBackbone(SharedBase(adapted), POLICY), head)


def _body(shared: SharedBase, config: RunConfig, *below: str) -> SharedBackbone:
    """Put the critic's adapter on the policy's base, drawn as `with_adapters` would."""
    shared.add(CRITIC, copy.deepcopy(cast(LoraConfig, shared.network.peft_config[POLICY])))
    body = SharedBackbone(shared, *below, CRITIC)
    draw(body, config, "critic adapter")
    return body.requires_grad_(requires_grad=True)
