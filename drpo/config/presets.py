"""Papers as settings: `drpo train --preset tldr-pythia-2.8b --method drpo`.

A preset is one of the paper's experiments: it names data, models and every setting. How to learn,
on whatever data, is the method's to say (`drpo.config.reset_methods`).

Figures are from arXiv:2404.08495 and the authors' code (Cornell-RL/drpo). Where the two differ, or
where the paper gives none, the preset says so in its notes; `variant` chooses between paper and
code. Data and models are named as on the Hugging Face Hub and are fetched when the run starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drpo.errors import ConfigError
from drpo.i18n.message import Message

PAPER: dict[str, Any] = {
    "kl_coef": 0.05,
    "num_ppo_epochs": 4,
    "num_mini_batches": 1,
    "episodes_per_update": 512,
    "micro_batch_size": 4,
    "cliprange": 0.2,
    "cliprange_value": 0.2,
    "gamma": 1.0,
    "lam": 0.95,
    "whiten_rewards": True,
    "temperature": 0.7,
    "learning_rate": 3e-6,
    "adam_eps": 1e-5,
    "lr_schedule": "linear",
    "lora_rank": 1024,
    "lora_alpha": 2048.0,
    "missing_eos_penalty": -1.0,
    "missing_eos": "replace",
    "advantage": "gae",
    "kl_estimator": "k1",
    # The paper's critic: from the reward model, in score units, one step size and one lambda with
    # the policy. Its loss weight of .1 is not among them: Adam cancels it.
    "critic_init": "reward_model",
    "critic_learning_rate": 3e-6,
    "critic_mini_batches": None,
    "critic_pretraining_epochs": 0.0,
    "critic_warmup_steps": 0,
    "critic_lam": 0.95,
    "critic_scaling": False,
    "kl_target": 6.0,
    "kl_horizon": 10_000,
    "dpo_beta": 0.05,
    "dpo_learning_rate": 3e-6,
    "dpo_batch_size": 64,
    "max_prompt_length": 512,
    "long_prompts": "drop",
    "prompt_format": "text",
    "reset_prob": 1.0,
    "sft_epochs": 1.0,
    "sft_learning_rate": 3e-6,
    "sft_batch_size": 128,
    "rm_epochs": 1.0,
    "rm_learning_rate": 3e-6,
    "rm_batch_size": 60,
    "gradient_checkpointing": True,
    "eval_temperature": 0.0,
}
"""What all of the paper's runs share."""

TLDR: dict[str, Any] = {
    "data": "vwxyzjn/summarize_from_feedback_oai_preprocessing_1706381144",
    "demonstrations": (
        "vwxyzjn/summarize_from_feedback_tldr_3_filtered_oai_preprocessing_1706381144"
    ),
    "reset_source": "demonstrations",
    "response_length": 53,
    # As many episodes as there are posts, 116,722; the authors' code draws more (see _CODE).
    "updates": 227,
}

HH: dict[str, Any] = {
    "data": "Anthropic/hh-rlhf",
    "reset_source": "chosen",
    "response_length": 128,
    # One pass over about 160,800 dialogues.
    "updates": 314,
}


@dataclass(frozen=True)
class Preset:
    """One experiment of the paper."""

    name: str
    settings: Mapping[str, Any]
    code: Mapping[str, Any]
    """What the authors' code sets otherwise."""
    notes: tuple[Message, ...]
    """Choices that differ between paper and code, or that neither settles."""


_CODE = {"reset_min_prefix": 1}
_TLDR_CODE = {**_CODE, "updates": 1_000_000 // 512}
_SHARED_NOTES = (
    Message("presets.prefix_length"),
    Message("presets.masks"),
    Message("presets.learning_rate"),
    Message("presets.kl"),
    Message("presets.eos"),
    Message("presets.batches"),
    Message("presets.lora"),
    Message("presets.reward_model"),
    Message("presets.adamw"),
)
_TLDR_NOTES = (
    Message("presets.updates"),
    Message("presets.prompts"),
)
_HH_NOTES = (
    Message("presets.hh_answers"),
    Message("presets.hh_length"),
)


def _preset(task: str, size: str, model: str) -> Preset:
    base = TLDR if task == "tldr" else HH
    name = f"{task}-pythia-{size}"
    return Preset(
        name=name,
        settings={**PAPER, **base, "policy": f"EleutherAI/pythia-{model}-deduped", "name": name},
        code=_CODE if task == "hh" else _TLDR_CODE,
        notes=_SHARED_NOTES + (_HH_NOTES if task == "hh" else _TLDR_NOTES),
    )


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _preset("tldr", "2.8b", "2.8b"),
        _preset("hh", "1b", "1b"),
        _preset("hh", "2.8b", "2.8b"),
        _preset("hh", "7b", "6.9b"),
    )
}


def names() -> list[str]:
    """All presets."""
    return list(PRESETS)


def find(name: str) -> Preset:
    """One preset.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"The presets are {', '.join(PRESETS)}, got {name!r}.")
    return PRESETS[name]


def settings(name: str, variant: str = "paper") -> dict[str, Any]:
    """A preset's settings, ready for `RunConfig.of`.

    Raises:
        ConfigError: There is no such preset or variant.
    """
    preset = find(name)
    if variant not in ("paper", "code"):
        raise ConfigError(f"A preset's variant is paper or code, got {variant!r}.")
    return dict(preset.settings) | (dict(preset.code) if variant == "code" else {})
