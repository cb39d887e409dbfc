"""The published ways to reset, each a named bundle of settings: `--method NAME`.

`method` says how a run learns. Of DR-PO's relatives each name stands for DR-PO with some settings,
so that a run is described by its settings alone and no trainer knows these names: `RunConfig.of`
puts the bundle in their place, and `name_of` finds it again. Whatever is set beside the name wins.
(`--preset` is another thing: a paper's whole experiment, with its data, models and every number.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drpo.i18n.message import Message

if TYPE_CHECKING:
    from drpo.config.run_config import RunConfig


@dataclass(frozen=True)
class ResetMethod:
    """One published method."""

    paper: str
    settings: Mapping[str, Any]
    """What makes it, over the defaults of all other settings."""
    method: str = "drpo"
    """The method that is trained with these settings."""


GROUPS: dict[str, Any] = {"advantage": "grpo", "group_size": 8}
"""k continuations of one state, held against each other: most of these papers are about it."""
QUANTITIES = ("reset_prob", "reset_draws", "reset_share", "hint_weight", *GROUPS)
"""Settings of a bundle that may be others without making it another method."""
METHODS: dict[str, ResetMethod] = {
    "drpo": ResetMethod("https://arxiv.org/abs/2404.08495", {}),
    "ppo": ResetMethod("https://arxiv.org/abs/1707.06347", {}, method="ppo"),
    "prefixrl": ResetMethod(
        "https://arxiv.org/abs/2601.18795",
        {"reset_prob": 0.5, "reset_source": "successes", "reset_draws": 4096, **GROUPS},
    ),
    "adaback": ResetMethod(
        "https://arxiv.org/abs/2506.18110",
        {"reset_prob": 1.0, "reset_depth": "per_prompt", **GROUPS},
    ),
    "pope": ResetMethod(
        "https://arxiv.org/abs/2601.18779",
        {"reset_prob": 0.5, "reset_prompts": "failed", "reset_depth": "per_prompt", **GROUPS},
    ),
    "uft": ResetMethod(
        "https://arxiv.org/abs/2505.16984",
        {
            "reset_prob": 1.0,
            "reset_depth": "binomial",
            "reset_share": 0.95,
            "reset_share_schedule": "cosine",
            "reset_share_final": 0.0,
            "hint_weight": 0.001,
            "advantage": "grpo",
            "group_size": 4,
        },
    ),
    "bread": ResetMethod(
        "https://arxiv.org/abs/2506.17211",
        {"reset_prob": 0.5, "reset_prompts": "failed", **GROUPS},
    ),
    "rrpo": ResetMethod(
        "https://arxiv.org/abs/2605.25507",
        {"reset_prob": 0.5, "reset_source": "failures", **GROUPS},
    ),
    "srpo": ResetMethod(
        "https://arxiv.org/abs/2605.25507",
        {
            "reset_prob": 0.5,
            "reset_source": "failures",
            "reset_depth": "first_wrong",
            **GROUPS,
        },
    ),
}
"""By name; what each is and how it differs from its paper is told in `methods.toml`."""


def in_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return leaf settings with a method's name replaced by what makes it.

    Args:
        values: Settings as somebody gave them; what stands beside the name wins over its bundle.
    """
    found = METHODS.get(str(values.get("method")))
    if found is None:
        return dict(values)
    return {**found.settings, **values, "method": found.method}


def name_of(config: RunConfig) -> str:
    """Return the method whose bundle a run's settings are, else the method that it trains by.

    The bundle with the most settings that all hold: a run that does more than DR-PO is no DR-PO.
    How much of a thing, as the reset probability, makes no other method.
    """
    flat = config.flat()

    def holds(one: ResetMethod) -> bool:
        kinds = [leaf for leaf in one.settings if leaf not in QUANTITIES]
        return one.method == flat["method"] and all(
            flat[leaf] == one.settings[leaf] for leaf in kinds
        )

    held = [name for name, one in METHODS.items() if holds(one)]
    return max(held, key=lambda name: len(METHODS[name].settings), default=flat["method"])


def about(name: str) -> Message:
    """Return what a method does, in a sentence."""
    return Message(f"methods.{name}")


def differs(name: str) -> Message:
    """Return in what a method differs here from its paper."""
    return Message(f"methods.{name}_differs")
