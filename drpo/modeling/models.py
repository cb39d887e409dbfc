"""Load what training needs: policy, frozen start policy, critic, reward; LoRA; devices.

The start policy is what KL is measured against. Without adapters it is a second, frozen copy. With
adapters it is the same network with all of them switched off, which is right only because an
adapter that the start policy came with is merged into its weights first. Critic and reward model
are further adapters on the same weights, where they come from them (`drpo.modeling.shared_base`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from drpo.config.run_config import RunConfig
from drpo.data.gold_reward import Gold
from drpo.errors import ConfigError, ModelError
from drpo.home import brought
from drpo.modeling.adapter_files import adapter_of, reward_adapter
from drpo.modeling.adapters import with_adapters
from drpo.modeling.base_loading import load_base, on_device, weights_format
from drpo.modeling.chat_template import PromptFormat, chat_template
from drpo.modeling.critic import Critic
from drpo.modeling.dropout import settle
from drpo.modeling.forward_pass import Precision, precision_of
from drpo.modeling.model_loading import (
    context_length,
    end_tokens,
    load_causal,
    load_tokenizer,
)
from drpo.modeling.scorers import GoldScores, LearnedScorer, Scorer
from drpo.modeling.scoring_networks import load_critic, load_scorer, settings_of
from drpo.modeling.shared_base import POLICY, REWARD, SharedBackbone, SharedBase
from drpo.modeling.tokenization import Vocabulary
from drpo.modeling.weights_hash import hash_of
from drpo.parallel.group import here
from drpo.parallel.ranks import ALONE, Ranks


@dataclass
class Models:
    """Everything that acts, foresees or scores."""

    policy: nn.Module
    frozen: nn.Module | None
    """The start policy as a copy; None where it is the policy with its adapter off, or where the
    policy is the start policy itself, as an evaluation begins."""
    critic: Critic | None
    """None where episodes are held against their group instead."""
    reward: Scorer
    learned: Scorer | None
    """The reward model, also where the policy is trained on the gold score."""
    gold: Scorer | None
    vocabulary: Vocabulary
    precision: Precision
    context: int | None
    """Most tokens the policy has positions for; None where it has no limit."""
    start: str = ""
    """Folder or name that the start policy was loaded from."""
    shared: SharedBase | None = None
    """The one copy of the start policy's weights that others act on; None without adapters."""
    ranks: Ranks = ALONE
    """Who else holds these models and shares the work."""

    @contextmanager
    def start_policy(self) -> Iterator[nn.Module]:
        """Lend the policy as it was when training began."""
        if self.frozen is not None:
            yield self.frozen
        elif self.adapted and self.shared is not None:
            with self.shared.only():
                yield self.policy
        else:
            yield self.policy

    def answer_as(self, folder: str | Path) -> None:
        """Let the start policy give its place to one that was trained from it.

        Where that one was saved as an adapter of this very start policy, the weights that both
        have in common stay as the one copy of them.

        Raises:
            ModelError: It cannot be read.
        """
        start, folder = self.policy, brought(folder)
        assert isinstance(start, PreTrainedModel), "as loaded to evaluate"
        adapter = adapter_of(folder, self.start)
        if adapter is not None and self.shared is None:
            self.policy = PeftModel.from_pretrained(start, str(adapter), is_trainable=True)
            self.shared = SharedBase(self.policy, POLICY)
        elif adapter is not None and self.shared is not None:
            self.policy = network = self.shared.network
            network.load_adapter(str(adapter), POLICY, is_trainable=True)
            self.shared.rest(POLICY)
        else:
            self.frozen = start.requires_grad_(requires_grad=False)
            self.policy = load_causal(folder, dtype=start.dtype)
        self.policy = self.policy.to(self.precision.device).eval()

    @property
    def adapted(self) -> bool:
        """Whether the policy is trained through adapters."""
        return isinstance(self.policy, PeftModel)

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Put networks that recompute activations into train mode; transformers wants it so.

        All others learn in eval mode, where no kind of dropout can act.
        """
        learners: list[nn.Module] = [self.policy]
        if self.critic is not None:
            body = self.critic.backbone
            learners.append(
                body.get_base_model() if isinstance(body, SharedBackbone) else self.critic
            )
        recomputing = [
            module
            for module in learners
            if any(getattr(part, "gradient_checkpointing", False) for part in module.modules())
        ]
        for module in recomputing:
            module.train()
        try:
            yield
        finally:
            for module in recomputing:
                module.eval()

    def networks(self) -> list[nn.Module]:
        """Everything that is called to act, foresee or score."""
        judges = [
            one.model for one in (self.reward, self.learned) if isinstance(one, LearnedScorer)
        ]
        found = [self.policy, self.frozen, self.critic and self.critic.backbone]
        return [
            *(one for one in found if one is not None),
            *(judge.classifier for judge in judges),
        ]

    def trained(self) -> dict[str, nn.Parameter]:
        """The weights that training changes, by name: `policy.*` and `critic.*`."""
        of_critic = {} if self.critic is None else dict(self.critic.named_parameters())
        parts = {"policy": self.policy_weights(), "critic": of_critic}
        return {
            f"{part}.{name}": weight
            for part, weights in parts.items()
            for name, weight in weights.items()
            if weight.requires_grad
        }

    def policy_weights(self) -> dict[str, nn.Parameter]:
        """The weights that make the policy what it is, by name, without the base below adapters."""
        if self.shared is None or self.frozen is not None:
            return {n: one for n, one in self.policy.named_parameters() if one.requires_grad}
        return self.shared.weights_of(POLICY) if self.adapted else self.shared.base_weights()

    def weights_hash(self) -> str:
        """Name the policy's weights, so that every answer can say which ones wrote it."""
        return hash_of(self.policy_weights())

    def policy_bytes(self) -> int:
        """How much a policy snapshot takes."""
        weights = self.policy_weights().values()
        return sum(weight.numel() * weight.element_size() for weight in weights)


def load_models(
    config: RunConfig,
    *,
    policy: str | Path | None = None,
    reward_model: str | Path | None = None,
    gold: Gold | None = None,
    reward: Scorer | None = None,
    reward_format: PromptFormat | None = None,
) -> Models:
    """Load everything for training.

    Args:
        config: Which models, adapters, device and number format.
        policy: Start policy instead of the config's, for instance one tuned by an earlier stage.
        reward_model: Reward model instead of the config's.
        gold: The data's gold score, where it has one.
        reward: What the policy is trained to raise, in place of `reward_source`.
        reward_format: How the reward model reads prompts where its folder does not say, instead of
            the config's `prompt_format`.

    Raises:
        ModelError: A folder lacks weights or an end token, or has none that can be read.
        ConfigError: The reward asked for is not there, or the device is not.
    """
    start = str(policy or config.models.policy)
    learned_from = reward_model or config.models.reward_model
    precision = precision_of(config.models.device, config.models.dtype)
    trained_dtype = weights_format(config, precision)
    base = load_base(start, config, precision)
    vocabulary = load_vocabulary(start, base, config.data.prompt_format, config.data.chat_template)

    judged_as = reward_format or config.data.prompt_format
    trained: nn.Module = base
    frozen = shared = None
    if config.models.lora_rank:
        trained = with_adapters(base, config, purpose="policy adapter", start=start)
        shared = SharedBase(trained, POLICY)
        adapter = reward_adapter(learned_from, start)
        if adapter is not None:
            shared.add(REWARD, settings_of(adapter))
    else:
        # In the format of the policy, or rounding alone would show as KL before the first update.
        frozen = load_causal(start).requires_grad_(requires_grad=False)
        frozen = frozen.to(precision.device).eval()
    learned = load_scorer(config, learned_from, vocabulary, precision, judged_as, shared)
    critic = load_critic(config, start, learned_from, trained_dtype, vocabulary, shared, learned)

    gold_scores = None if gold is None else GoldScores(gold)
    reward = _reward(config, reward, learned, gold_scores)
    for module in (trained, *([] if critic is None else [critic])):
        settle(module, checkpointing=config.models.gradient_checkpointing)
    return Models(
        policy=trained.to(precision.device),
        frozen=frozen,
        critic=None if critic is None else critic.to(precision.device),
        reward=reward,
        learned=learned,
        gold=gold_scores,
        vocabulary=vocabulary,
        precision=precision,
        context=context_length(base),
        start=start,
        shared=shared,
        ranks=here(),
    )


def load_to_evaluate(
    config: RunConfig,
    *,
    start: str | Path,
    reward_model: str | Path | None,
    gold: Gold | None = None,
    reward: Scorer | None = None,
    reward_format: PromptFormat | None = None,
) -> Models:
    """Load a start policy and what scores answers, to measure it and, by `answer_as`, others.

    Args:
        config: Device, number format, and the source of rewards.
        start: What KL is measured against; the policy, until another answers.
        reward_model: Folder or name of a reward model.
        gold: The data's gold score, where it has one.
        reward: What answers are scored by, in place of `reward_source`.
        reward_format: How the reward model reads prompts where its folder does not say, instead of
            as the policy does.

    Raises:
        ModelError: A folder lacks weights or an end token, or has none that can be read.
        ConfigError: The reward asked for is not there, or the device is not.
    """
    precision = precision_of(config.models.device, config.models.dtype)
    policy = load_base(start, config, precision)
    read = config.data
    vocabulary = load_vocabulary(start, policy, read.prompt_format, read.chat_template)
    judged_as = reward_format or read.prompt_format
    adapter = reward_adapter(reward_model, start) if config.models.lora_rank else None
    shared = None if adapter is None else SharedBase.below(policy, REWARD, settings_of(adapter))
    learned = load_scorer(config, reward_model, vocabulary, precision, judged_as, shared)
    gold_scores = None if gold is None else GoldScores(gold)
    return Models(
        policy=on_device(policy, precision.device).eval(),
        frozen=None,
        critic=None,
        reward=_reward(config, reward, learned, gold_scores),
        learned=learned,
        gold=gold_scores,
        vocabulary=vocabulary,
        precision=precision,
        context=context_length(policy),
        start=str(start),
        shared=shared,
        ranks=here(),
    )


def _reward(
    config: RunConfig, given: Scorer | None, learned: Scorer | None, gold: Scorer | None
) -> Scorer:
    reward = given or (gold if config.models.reward_source == "gold" else learned)
    if reward is None:
        raise ConfigError(
            f"reward_source is {config.models.reward_source!r}, but there is no such reward: "
            "expected a reward model, or data with a gold score; name one, or change reward_source."
        )
    return reward


def load_vocabulary(
    folder: str | Path,
    model: PreTrainedModel,
    prompt_format: PromptFormat = "text",
    template: str | None = None,
) -> Vocabulary:
    """Load a policy's tokenizer and check that it fits the model.

    Args:
        folder: Where the policy was loaded from.
        model: The policy; its generation settings say what ends an answer.
        prompt_format: Whether prompts are rendered by a chat template.
        template: A file with that template, instead of the tokenizer's own.

    Raises:
        ModelError: There is no tokenizer or end token, or it knows tokens that the model does not.
    """
    tokenizer = load_tokenizer(folder)
    known = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > known:
        raise ModelError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens but the model knows {known}; "
            "give the tokenizer that the model was trained with."
        )
    chat = chat_template(tokenizer, prompt_format, template, name=str(folder))
    return Vocabulary.of(tokenizer, end_tokens(model), chat=chat)
