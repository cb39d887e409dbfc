"""Every setting of a run: its type, range, unit, default and a sentence of help.

`RunConfig` is the one description of a run. The command line, the forms on the screen and the
checks at launch are derived from it, so a setting exists in one place. Settings are grouped for
reading; their leaf names are unique across groups, so `kl_coef` alone names one setting everywhere
(`drpo set RUN kl_coef=0.2`, a sweep axis, a column).

Names follow TRL's PPO; `reset_prob` is the beta of arXiv:2404.08495 (beta means other things
elsewhere).
"""

from __future__ import annotations

import json
import os
from typing import Any, Self

from pydantic import ValidationError, model_validator
from pydantic.fields import FieldInfo

from drpo.config.declare import Group
from drpo.config.learning_settings import (
    CriticSettings,
    KLSettings,
    PPOSettings,
    ResetSettings,
    SamplingSettings,
)
from drpo.config.methods import UPDATING, resets
from drpo.config.reset_methods import in_settings
from drpo.config.settings import (
    AlarmSettings,
    DataSettings,
    EvaluationSettings,
    ModelSettings,
    RunSettings,
    StageSettings,
)
from drpo.config.stored import EARLIER, RETIRED, current_form, without_secrets
from drpo.errors import ConfigError


def _see_that_quantized_base_can_be(models: ModelSettings) -> None:
    wanted = models.quantize_base
    if wanted == "none":
        return
    if not models.lora_rank:
        message = (
            f"quantize_base is {wanted!r}, whose weights cannot be trained, and lora_rank is 0, "
            "which trains all weights; set lora_rank (16 is usual), or quantize_base to 'none'"
        )
        raise ValueError(message)
    if models.device == "cpu":
        message = (
            f"quantize_base is {wanted!r}, which computes on a GPU, and device is 'cpu'; choose a "
            "GPU, or set quantize_base to 'none'"
        )
        raise ValueError(message)


def _see_that_devices_can_be(config: RunConfig) -> None:
    devices, device = config.models.devices, config.models.device
    if devices == 1:
        return
    if config.run.executor == "thread":
        message = (
            f"devices is {devices}, which takes a process each, and executor is 'thread'; set "
            "executor to 'process', or devices to 1"
        )
        raise ValueError(message)
    if device.startswith("cuda:"):
        message = (
            f"devices is {devices} and device names one GPU, {device!r}; set device to 'cuda' or "
            "'auto', or devices to 1"
        )
        raise ValueError(message)
    size = 1 if config.ppo.advantage == "gae" else config.ppo.group_size
    groups = config.ppo.episodes_per_update // size
    if config.run.method in UPDATING and devices > groups:
        message = (
            f"devices ({devices}) must be at most the starts of an update ({groups}: "
            "episodes_per_update, by group_size with rloo and grpo), or some would be idle; change "
            "one of them"
        )
        raise ValueError(message)


class RunConfig(Group):
    """A run, whole and frozen. Build one with `RunConfig.of(data=..., policy=..., kl_coef=...)`."""

    run: RunSettings
    data: DataSettings
    models: ModelSettings
    stages: StageSettings
    sampling: SamplingSettings
    reset: ResetSettings
    kl: KLSettings
    ppo: PPOSettings
    critic: CriticSettings
    evaluation: EvaluationSettings
    alarms: AlarmSettings

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        if self.ppo.episodes_per_update % self.ppo.num_mini_batches:
            message = (
                f"episodes_per_update ({self.ppo.episodes_per_update}) must be a multiple of "
                f"num_mini_batches ({self.ppo.num_mini_batches}); change one of them"
            )
            raise ValueError(message)
        if self.kl.kl_schedule == "adaptive" and self.kl.kl_coef == 0:
            message = (
                "kl_coef is 0 and kl_schedule is 'adaptive', which multiplies it, so it would stay "
                "0; give a kl_coef to begin with, or choose another kl_schedule"
            )
            raise ValueError(message)
        if self.ppo.advantage != "gae" and self.ppo.episodes_per_update % self.ppo.group_size:
            message = (
                f"episodes_per_update ({self.ppo.episodes_per_update}) must be a multiple of "
                f"group_size ({self.ppo.group_size}); change one of them"
            )
            raise ValueError(message)
        if self.kl.kl_placement == "loss" and self.ppo.advantage != "grpo":
            message = (
                f"kl_placement 'loss' is GRPO's, and advantage is {self.ppo.advantage!r}; set "
                "kl_placement to 'reward', or advantage to 'grpo'"
            )
            raise ValueError(message)
        _see_that_quantized_base_can_be(self.models)
        _see_that_devices_can_be(self)
        from_file = self.resets_possible and self.reset.reset_source == "demonstrations"
        if from_file and self.data.demonstrations is None:
            message = (
                "reset_source is 'demonstrations' but no demonstrations file is given; "
                "set demonstrations, or choose another reset_source"
            )
            raise ValueError(message)
        if self.reset.reset_depth == "first_wrong" and self.reset.reset_source != "failures":
            message = (
                f"reset_depth 'first_wrong' looks into failures, and reset_source is "
                f"{self.reset.reset_source!r}; set reset_source to 'failures', or choose another "
                "reset_depth"
            )
            raise ValueError(message)
        if self.reset.reset_depth == "per_prompt" and self.reset.reset_source == "rollin":
            message = (
                "reset_depth is 'per_prompt', which remembers how much of an answer each prompt "
                "needs, and reset_source is 'rollin', where each answer is another; choose another "
                "of one of them"
            )
            raise ValueError(message)
        return self

    @classmethod
    def of(cls, **values: Any) -> RunConfig:  # noqa: ANN401 - the fields below check each value
        """Build a config from leaf settings, everything else at its default.

        The executor's is what `DRPO_EXECUTOR` names: where runs go is a property of a workplace.

        Args:
            **values: Settings by leaf name; `method` may be one of `drpo.config.reset_methods`,
                which stands for the settings that make it.

        Raises:
            ConfigError: A name is unknown, a value is out of range, or two settings contradict.
        """
        executor = os.environ.get("DRPO_EXECUTOR") or default_of("executor")
        standing = {"prompt_format": default_of("prompt_format"), "executor": executor}
        given = standing | in_settings(values)
        return cls.from_nested(_nest(given))

    @classmethod
    def from_nested(cls, nested: dict[str, Any]) -> RunConfig:
        """Build a config from `{group: {leaf: value}}`, as this or an earlier version stored it.

        Raises:
            ConfigError: It names what no version had, or a value or combination is not allowed.
        """
        filled = current_form({group: nested.get(group, {}) for group in cls.model_fields})
        filled.pop(EARLIER, None)
        unknown = sorted(set(nested) - set(filled) - {EARLIER})
        if unknown:
            raise ConfigError(f"Unknown group of settings: {', '.join(unknown)}.")
        try:
            return cls.model_validate(filled)
        except ValidationError as error:
            raise ConfigError(_sentence(error)) from error

    def to_json(self) -> str:
        """Write all settings as JSON, grouped, without secrets."""
        return json.dumps(without_secrets(self.model_dump(mode="json")), indent=2)

    def replace(self, **values: Any) -> RunConfig:  # noqa: ANN401
        """Return a copy with some leaf settings changed and everything checked again."""
        nested = self.model_dump()
        for group, leaves in _nest(in_settings(values)).items():
            nested[group].update(leaves)
        return RunConfig.from_nested(nested)

    def flat(self) -> dict[str, Any]:
        """All settings by leaf name."""
        return {
            leaf: value for group in self.model_dump().values() for leaf, value in group.items()
        }

    @property
    def tokens_at_once(self) -> int:
        """Positions of a micro-batch's forward pass: its rows at their longest in an update.

        A stage and an evaluation, which read whole answers, keep to as many.
        """
        row = self.data.max_prompt_length + self.sampling.response_length
        return self.ppo.rows_at_once * row

    @property
    def resets_possible(self) -> bool:
        """Whether an episode may ever be reset: at the start, by schedule, or by a live change."""
        return resets(self.run.method)


def check_filter(config: RunConfig) -> None:
    """See that the reset filter knows a value for the answers that are reset into.

    Raises:
        ConfigError: It does not.
    """
    reset = config.reset
    pairwise = reset.reset_filter in ("margin", "label")
    if config.resets_possible and reset.reset_source == "demonstrations" and pairwise:
        raise ConfigError(
            f"reset_filter {reset.reset_filter!r} compares the two answers of a pair, but "
            "demonstrations have one answer; expected 'score' or 'coverage'."
        )


def as_trained(stored: dict[str, Any]) -> dict[str, Any]:
    """Return all settings by leaf name as a run was trained with them.

    Args:
        stored: A run's settings, as the store gives them.

    Raises:
        ConfigError: As `RunConfig.from_nested`.
    """
    flat = RunConfig.from_nested(without_secrets(stored)).flat()
    return flat | {leaf: was for leaf, was in stored.get(EARLIER, {}).items() if leaf in flat}


def groups() -> dict[str, type[Group]]:
    """The groups of settings in reading order."""
    return {
        name: field.annotation
        for name, field in RunConfig.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Group)
    }


def leaves() -> dict[str, tuple[str, FieldInfo]]:
    """Every setting by leaf name, with its group and its declaration (range, unit, help)."""
    return {
        leaf: (group, field)
        for group, model in groups().items()
        for leaf, field in model.model_fields.items()
    }


def default_of(leaf: str) -> Any:  # noqa: ANN401 - whatever the setting holds
    """Return what a setting is when nobody says otherwise."""
    return leaves()[leaf][1].default


def _nest(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    known = leaves()
    unknown = sorted(set(values) - set(known))
    for leaf in unknown:
        if leaf in RETIRED:
            raise ConfigError(f"{leaf} is no setting any more: {RETIRED[leaf]}")
    if unknown:
        raise ConfigError(
            f"Unknown setting: {', '.join(unknown)}. `drpo train --help` lists all of them."
        )
    nested: dict[str, dict[str, Any]] = {}
    for leaf, value in values.items():
        nested.setdefault(known[leaf][0], {})[leaf] = value
    return nested


def _sentence(error: ValidationError) -> str:
    """Turn pydantic's report into sentences that name the setting, the value and the range."""
    parts = []
    for problem in error.errors():
        place = problem["loc"][-1] if problem["loc"] else "config"
        if problem["type"] == "value_error":
            parts.append(str(problem["ctx"]["error"]))
        elif problem["type"] == "missing":
            parts.append(f"{place} is required and was not given")
        else:
            parts.append(f"{place}: {problem['msg']}, got {problem['input']!r}")
    return "; ".join(parts) + "."
