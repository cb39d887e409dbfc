"""The critic: what score it foresees before each token."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from drpo.errors import ConfigError
from drpo.modeling.forward_pass import call_backbone_at
from drpo.modeling.linear import widen
from drpo.modeling.model_loading import hidden_width, load_causal, one_at_a_time
from drpo.modeling.reward_model import load_reward_model

NO_REWARD_MODEL = (
    "critic_init is 'reward_model' but there is no reward model; name one, or set critic_init to "
    "'policy'."
)


class Critic(nn.Module):
    """A network of its own that foresees the score: a transformer and one number a token.

    Its estimate is `mean + spread * head`. The two buffers follow the returns (`follow`), so that
    the head works on numbers near 1 whatever units the reward model uses.

    Source of the scaling: van Hasselt et al. 2016, arXiv:1602.07714 (PopArt).
    """

    mean: Tensor
    """Running mean of the returns, score units; 0 where targets are not scaled."""
    spread: Tensor
    """Running standard deviation of the returns, score units; 1 where targets are not scaled."""

    def __init__(self, backbone: nn.Module, hidden_size: int) -> None:
        super().__init__()
        self.backbone = backbone
        # `skip_init`, because the usual draw would come from global state.
        self.head = torch.nn.utils.skip_init(nn.Linear, hidden_size, 1)  # type: ignore[no-untyped-call]
        # Foresees the mean at first: anything else would be noise that must be unlearned.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))

    def forward(
        self,
        tokens: Int[Tensor, "batch length"],
        at: Int[Tensor, " places"],
    ) -> Float[Tensor, " places"]:
        """Return the foreseen score after some tokens, named as by `call_at`."""
        hidden = call_backbone_at(self.backbone, tokens, at)
        # Never in half precision: values are compared with returns digit by digit.
        with torch.autocast(hidden.device.type, enabled=False):
            values: Tensor = self.head(hidden.to(self.head.weight.dtype))[..., 0]
        return self.mean + self.spread * values

    @torch.no_grad()
    def follow(self, mean: float, spread: float) -> None:
        """Take up new statistics of the returns.

        A head that knows something keeps its estimates to the last digit but rounding: its weights
        are rescaled. A head of zeros, as a critic begins, foresees the new mean.

        Args:
            mean: Score units.
            spread: Score units, above 0.
        """
        if bool(self.head.weight.any()) or bool(self.head.bias.any()):
            ratio = self.spread / spread
            self.head.weight.mul_(ratio)
            self.head.bias.copy_(self.head.bias * ratio + (self.mean - mean) / spread)
        self.mean.fill_(mean)
        self.spread.fill_(spread)


def critic_from_policy(folder: str | Path, dtype: torch.dtype) -> Critic:
    """Start a critic from a policy's body, its head fresh.

    Raises:
        ModelError: The policy cannot be read.
    """
    model = load_causal(folder, dtype=dtype)
    return Critic(model.base_model, hidden_width(model))


@one_at_a_time
def critic_from_reward(folder: str | Path | None, dtype: torch.dtype) -> Critic:
    """Start a critic from a reward model, its head included.

    Raises:
        ConfigError: There is no reward model, or its head reads more than one token.
        ModelError: The reward model cannot be read.
    """
    if folder is None:
        raise ConfigError(NO_REWARD_MODEL)
    load_reward_model(folder)  # says in a sentence what is wrong with the folder, if anything
    classifier = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, trust_remote_code=False
    )
    head = score_head(classifier)
    widen(classifier)
    return critic_of(classifier.base_model, head)


def critic_of(backbone: nn.Module, head: nn.Linear) -> Critic:
    """Make a critic of a reward model's body, with a head like that model's."""
    critic = Critic(backbone, head.in_features)
    with torch.no_grad():
        critic.head.weight.copy_(head.weight)
        if head.bias is not None:
            critic.head.bias.copy_(head.bias)
    return critic


def score_head(classifier: PreTrainedModel) -> nn.Linear:
    """Return a reward model's head.

    Raises:
        ConfigError: It reads more than one token.
    """
    head = getattr(classifier, "score", None)
    if not isinstance(head, nn.Linear):
        raise ConfigError(
            f"critic_init is 'reward_model', but {type(classifier).__name__} has no head that "
            "reads one token at a time; set critic_init to 'policy'."
        )
    return head
