"""What a metric is, and what can be asked of those that are declared in `drpo.metrics`.

A declared metric may bring companions: its standard error (`eval/scores_se`), and the same figure
over the episodes that were reset or that started at the prompt (`objective/kl_reset`, `_prompt`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Stage = Literal["update", "evaluation", "timing", "sft", "rm", "dpo"]
"""Where a metric is measured: on the episodes of a policy update, on held-out prompts, on the
clock, or in the training of a stage that comes before the policy's."""
Meaning = Literal["learned", "gold", "kl", "reset", "start", "ink"]
"""Whose colour it is drawn in; `ink` means nothing."""
Chart = Literal["reward", "kl", "resets", "lengths", "losses", "all"]
"""The chart on Live that answers a question with it; `all` is the list that holds every metric."""
Part = Literal["whole", "error", "reset", "prompt"]
"""The metric itself, its standard error, or its value over one kind of episodes."""

STAGES: dict[str, Stage] = {
    "eval": "evaluation",
    "timing_s": "timing",
    "timing": "timing",
    "sft": "sft",
    "rm": "rm",
    "dpo": "dpo",
}
"""The stage of a group of metrics; all other groups are measured in policy updates."""
OWN_STEPS: tuple[Stage, ...] = ("sft", "rm", "dpo")
"""Stages whose metrics (`rm/loss`) count the stage's own steps, not updates of the policy."""
ENDINGS: dict[Part, str] = {"error": "_se", "reset": "_reset", "prompt": "_prompt"}
_REGISTRY: dict[str, Metric] = {}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is declared."""

    name: str
    """As TRL calls it where TRL has it, else in the same manner: a group, a slash, what it is."""
    unit: str = ""
    """What the number counts; empty where it has none. The words are in `units.toml`."""
    meaning: Meaning = "ink"
    better: Literal["higher", "lower", ""] = ""
    """Which way is an improvement; empty where neither is by itself."""
    title: str = ""
    """The quantity in words, `title_...` in `metrics.toml`; empty where the name has to do."""
    chart: Chart = "all"
    batch: str = ""
    """Of a held-out figure: the metric of the same quantity over the training episodes."""
    errors: bool = False
    """Whether it comes with its standard error."""
    by_start: bool = False
    """Whether it comes split by where episodes started, too."""
    whole: str = ""
    """Of a companion: the metric that it belongs to."""
    part: Part = "whole"

    @property
    def base(self) -> str:
        """The metric that shares its words and its chart with its companions."""
        return self.whole or self.name

    @property
    def group(self) -> str:
        """What stands before the first slash; metrics without one say how far training is."""
        return self.name.partition("/")[0] if "/" in self.name else "progress"

    @property
    def stage(self) -> Stage:
        """Where it is measured."""
        return STAGES.get(self.group, "update")

    @property
    def steps_of(self) -> str:
        """The stage whose own steps it is measured at; "" for updates of the policy."""
        return self.stage if self.stage in OWN_STEPS else ""


def declare(metric: Metric) -> str:
    """Enter a metric with its companions, and return its name.

    Raises:
        ValueError: The name is taken; a bug of ours.
    """
    parts: list[Part] = ["error"] if metric.errors else []
    parts += ["reset", "prompt"] if metric.by_start else []
    companions = [
        replace(
            metric,
            name=metric.name + ENDINGS[part],
            errors=False,
            by_start=False,
            whole=metric.name,
            part=part,
        )
        for part in parts
    ]
    for one in (metric, *companions):
        if one.name in _REGISTRY:
            raise ValueError(f"{one.name} is declared twice; expected one declaration.")
        _REGISTRY[one.name] = one
    return metric.name


def declared() -> tuple[Metric, ...]:
    """All metrics in the order of their declaration, each before its companions."""
    return tuple(_REGISTRY.values())


def of(name: str) -> Metric:
    """Look a metric up; a name that nobody declared is taken at its word.

    A store may hold more than is declared here, the series of another version: they
    are drawn all the same, in ink, grouped by their prefix.
    """
    if name in _REGISTRY:
        return _REGISTRY[name]
    for part, ending in ENDINGS.items():
        if name.endswith(ending):
            return Metric(name, whole=name.removesuffix(ending), part=part)
    return Metric(name)


def part_of(name: str, part: Part) -> str:
    """The name of a metric's companion."""
    return name + ENDINGS[part]


def error_of(name: str) -> str:
    """The name of a metric's standard error."""
    return part_of(name, "error")


def short(name: str) -> str:
    """A metric's name without its group, as evaluations and a run's summary are written."""
    return name.partition("/")[2] or name


def read(figures: Mapping[str, Any] | None, name: str) -> float | None:
    """One metric's value in an evaluation or in a summary's `first` or `last`, if it is known."""
    return (figures or {}).get(short(name))


def in_stage(stage: Stage, figure: str) -> str:
    """The name under which a figure of a stage's own training is kept, as `rm/loss`."""
    return f"{stage}/{figure}"


def on_chart(chart: Chart) -> tuple[str, ...]:
    """The metrics that a chart on Live has a panel for, in their order."""
    return tuple(one.name for one in declared() if one.chart == chart and one.part == "whole")
