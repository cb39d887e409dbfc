"""What a sweep is asked to try: axes, seeds, a budget, and the control that is always there.

A cell is one combination of settings; each cell is run once per seed. Reset probability 0 is part
of every plan, whether anybody asked for it or not: without it nobody can say what resets did.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from drpo.config.methods import NO_RESETS
from drpo.config.run_config import RunConfig, leaves
from drpo.errors import ConfigError

Kind = Literal["grid", "random", "tpe"]
Values = dict[str, Any]
"""A cell: the value of each axis by the setting's name."""

NOT_AXES = ("name", "seed", "method", "executor", "devices", "data", "heldout")
"""Settings that say what or where, not how; seeds have their own place in the plan."""
AUTO = "auto"
SIGNIFICANT = 3
"""Digits of a drawn value: more would only pretend a precision that no sweep has."""


class Axis(BaseModel):
    """One setting that the sweep varies: listed values, or a range to draw from."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    values: tuple[bool | int | float | str, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    """Draw evenly on the logarithm."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.name not in leaves() or self.name in NOT_AXES:
            raise ValueError(f"{self.name!r} is not a setting that a sweep can vary")
        if self.values:
            if len(set(map(repr, self.values))) < len(self.values):
                raise ValueError(f"{self.name}: the same value is listed twice")
            return self
        if self.low is None or self.high is None or self.low >= self.high:
            raise ValueError(f"{self.name}: give a list of values, or a low below a high")
        if self.log and self.low <= 0:
            raise ValueError(f"{self.name}: a logarithmic range must begin above 0")
        return self

    @classmethod
    def parse(cls, text: str) -> Axis:
        """Read `kl_coef=0.05,0.2` (values), `kl_coef=0.01:1` (range) or `kl_coef=0.01:1:log`.

        Raises:
            ConfigError: The text has another shape, or the axis makes no sense.
        """
        name, equals, said = text.partition("=")
        name = name.strip().replace("-", "_")
        wrong = f"Expected NAME=VALUE,VALUE or NAME=LOW:HIGH or NAME=LOW:HIGH:log, got {text!r}."
        if not equals or not said.strip():
            raise ConfigError(wrong)
        try:
            if ":" in said:
                low, high, *rest = said.split(":")
                if rest not in ([], ["log"]):
                    raise ConfigError(wrong)
                return cls(name=name, low=float(low), high=float(high), log=bool(rest))
            return cls(name=name, values=tuple(_value(part.strip()) for part in said.split(",")))
        except ValidationError as error:
            raise ConfigError(f"The sweep cannot run like this: {_said(error)}.") from error
        except ValueError as error:
            raise ConfigError(wrong) from error

    @property
    def is_integer(self) -> bool:
        """Whether the setting counts something."""
        return leaves()[self.name][1].annotation is int

    def rounded(self, value: float) -> float | int:
        """A drawn value as it is worth writing down."""
        return round(value) if self.is_integer else float(f"{value:.{SIGNIFICANT}g}")

    def draw(self, rng: np.random.Generator) -> Any:  # noqa: ANN401 - a value of any setting
        """One value at random."""
        if self.values:
            return self.values[int(rng.integers(len(self.values)))]
        low, high = float(self.low or 0.0), float(self.high or 0.0)
        if self.log:
            return self.rounded(float(np.exp(rng.uniform(np.log(low), np.log(high)))))
        return self.rounded(float(rng.uniform(low, high)))


class SweepPlan(BaseModel):
    """A frozen plan. Build one with `SweepPlan.of(base, axes=..., seeds=...)`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    base: dict[str, Any]
    """The config that every run shares, as `RunConfig.model_dump` writes it."""
    kind: Kind = "grid"
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    trials: int = 12
    """Cells that random and TPE draw, controls not counted."""
    sampler_seed: int = 0
    metric: str = AUTO
    """What a good cell is high in; auto is the true reward where the data know it, else the
    learned one."""
    budget_runs: int | None = None
    budget_hours: float | None = None
    """Hours of running, added up over runs."""
    together: int = 2
    """Runs in the queue or going on at once."""
    early_stop: bool = True
    stop_margin: float = 3.0
    """Standard errors by which a cell must lie below the best to be stopped early."""

    @classmethod
    def of(cls, base: RunConfig, **values: Any) -> SweepPlan:  # noqa: ANN401 - fields above
        """Build a plan and check that every cell would make a valid run.

        Raises:
            ConfigError: An axis, a value or the budget makes no sense.
        """
        try:
            plan = cls.model_validate({"base": base.model_dump(mode="json"), **values})
        except ValidationError as error:
            raise ConfigError(f"The sweep cannot run like this: {_said(error)}.") from error
        if plan.kind == "grid" and any(not axis.values for axis in plan.axes):
            raise ConfigError("A grid needs a list of values for every axis; give values=...")
        if not plan.seeds or min(plan.trials, plan.together) < 1:
            raise ConfigError("A sweep needs at least one seed, one trial and one run at a time.")
        if len({axis.name for axis in plan.axes}) < max(1, len(plan.axes)):
            raise ConfigError("A sweep needs at least one axis, and each setting only once.")
        for cell in plan.known_cells():
            plan.config(cell, plan.seeds[0])
        for axis in plan.axes:
            for bound in (axis.low, axis.high):
                if bound is not None:
                    base.replace(**{axis.name: axis.rounded(bound)})
        return plan

    @classmethod
    def stored(cls, written: dict[str, Any]) -> SweepPlan:
        """Read a plan from the store.

        Raises:
            ConfigError: It was written by another version and means nothing to this one.
        """
        try:
            return cls.model_validate(written)
        except ValidationError as error:
            raise ConfigError(
                f"The sweep's plan does not fit this version: {_said(error)}. "
                "Plan a new sweep; the runs of this one stay."
            ) from error

    @cached_property
    def base_config(self) -> RunConfig:
        """The shared config."""
        return RunConfig.from_nested(self.base)

    @property
    def has_control(self) -> bool:
        """Whether resets are part of the method at all."""
        return self.base_config.run.method == "drpo"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The settings that tell two cells apart; reset_prob is one of them in any DR-PO sweep."""
        names = tuple(axis.name for axis in self.axes)
        return ("reset_prob", *names) if self.has_control and "reset_prob" not in names else names

    def canonical(self, values: Values) -> Values:
        """A cell's values as the config holds them, so that 1 and 1.0 are the same cell."""
        flat = self._settings(values).flat()
        return {name: flat[name] for name in self.names}

    def cell_of(self, config: dict[str, Any]) -> Values:
        """The cell that a run belongs to, read from its stored config."""
        flat = {leaf: value for group in config.values() for leaf, value in group.items()}
        return {name: flat[name] for name in self.names}

    def config(self, values: Values, seed: int) -> RunConfig:
        """The config of one run."""
        said = ", ".join(f"{name}={value}" for name, value in values.items())
        return self._settings(values).replace(seed=seed, name=f"{said}, seed {seed}"[:200])

    def _settings(self, values: Values) -> RunConfig:
        found = self.base_config.replace(**values)
        if self.has_control and found.reset.reset_prob == 0:
            # A rising schedule would bring resets into the runs that show what happens without.
            return found.replace(**NO_RESETS)
        return found

    def known_cells(self) -> list[Values]:
        """Cells that are known before anything has run, controls first."""
        if self.kind == "grid":
            return self._grid()
        cells = [self.control({})] if self.has_control else []
        if self.kind == "random":
            cells += [self.drawn(index) for index in range(self.trials)]
        return unique(cells)

    def control(self, like: Values) -> Values:
        """The control of a cell: the same settings without resets."""
        middle = {axis.name: self._middle(axis) for axis in self.axes}
        return self.canonical({**middle, **like, "reset_prob": 0.0})

    def is_control(self, values: Values) -> bool:
        """Whether a cell is without resets."""
        return self.has_control and values["reset_prob"] == 0

    def drawn(self, index: int) -> Values:
        """The random cell of this number, the same whenever it is asked for."""
        rng = np.random.default_rng([self.sampler_seed, index])
        return self.canonical({axis.name: axis.draw(rng) for axis in self.axes})

    def _grid(self) -> list[Values]:
        axes: dict[str, tuple[Any, ...]] = {axis.name: axis.values for axis in self.axes}
        if self.has_control:
            mine = axes.pop("reset_prob", (self.base_config.reset.reset_prob,))
            axes = {"reset_prob": (0.0, *mine), **axes}
        names = list(axes)
        products = itertools.product(*axes.values())
        return unique(
            [self.canonical(dict(zip(names, values, strict=True))) for values in products]
        )

    def _middle(self, axis: Axis) -> Any:  # noqa: ANN401 - a value of any setting
        """The base value, moved into the axis where it lies outside."""
        base = self.base_config.flat()[axis.name]
        if axis.values:
            return base if base in axis.values else axis.values[0]
        return axis.rounded(min(max(float(base), float(axis.low or 0)), float(axis.high or 0)))


def key_of(values: Values) -> str:
    """A short name of a cell, the same in every process."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def unique(cells: list[Values]) -> list[Values]:
    """The cells without repeats, in order."""
    return list({key_of(cell): cell for cell in cells}.values())


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read `0,1,2` or `0-4`.

    Raises:
        ConfigError: The text has another shape.
    """
    seeds: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            seeds += range(int(first), int(last) + 1) if dash else [int(first)]
    except ValueError as error:
        raise ConfigError(f"Expected seeds such as 0,1,2 or 0-4, got {text!r}.") from error
    return tuple(dict.fromkeys(seeds))


def _value(text: str) -> bool | int | float | str:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _said(error: ValidationError) -> str:
    return "; ".join(str(p.get("ctx", {}).get("error", p["msg"])) for p in error.errors())
