"""What random and TPE sweeps try next, and what a sweep says about each setting's weight.

Optuna's study is built anew from the store whenever it is asked, so that a sweep needs no second
database and goes on after any restart with what its runs really gave.
"""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from drpo.sweep.plan import Axis, SweepPlan, Values, key_of
from drpo.sweep.results import ENDED, Board, Cell

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

STARTUP = 5
"""Cells that TPE draws at random before it trusts what it has seen."""
ENOUGH = 4
"""Cells with a mean that importance needs at least."""
DRAWS = 200
"""Random cells looked at for one that is new before a space counts as used up."""


def propose(board: Board, index: int) -> Values | None:
    """The TPE cell of this number, given what the sweep has seen so far.

    A cell that was tried already is not tried again: another one is drawn at random instead.

    Args:
        board: The sweep as it stands.
        index: Cells drawn so far, controls not counted.

    Returns:
        A cell that the board does not hold, or None when the space seems to have no other: listed
        values and whole numbers make only so many combinations.
    """
    import optuna

    plan = board.plan
    searched = {axis.name: _distribution(axis) for axis in plan.axes}
    study = _study(board, searched)
    study.sampler = optuna.samplers.TPESampler(
        seed=plan.sampler_seed * 10_007 + index, n_startup_trials=STARTUP, constant_liar=True
    )
    trial = study.ask(searched)
    rounded = {axis.name: _rounded(axis, trial.params[axis.name]) for axis in plan.axes}
    cell = plan.canonical(rounded)
    known = {one.key for one in board.cells}
    drawn = (plan.drawn(index * DRAWS + attempt) for attempt in range(DRAWS))
    return next((one for one in itertools.chain([cell], drawn) if key_of(one) not in known), None)


def importance(board: Board) -> dict[str, float]:
    """How much of the difference between cells each setting accounts for; shares that sum to 1.

    A whole grid is taken apart exactly (functional ANOVA over the table of means): the main effect
    of each axis, with `interaction` for the rest. Elsewhere PED-ANOVA (arXiv:2304.10255): what sets
    the better half of the cells apart, a rough figure below some twenty cells. Empty while too few
    cells have a mean, or when all are alike.
    """
    cells = [cell for cell in board.cells if cell.mean is not None]
    if len(cells) < ENOUGH:
        return {}
    plan = board.plan
    if plan.kind == "grid" and len(cells) == len(board.cells):
        return _grid_importance(plan, cells)
    import optuna

    if plan.kind == "grid":  # the controls are part of the grid, whether they were listed or not
        distributions = {name: _levels(board, name) for name in plan.names}
    else:
        distributions = {axis.name: _distribution(axis) for axis in plan.axes}

    # The better half, not Optuna's best tenth: of a few dozen cells a tenth is two or three.
    better_half = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.5)
    try:
        found = optuna.importance.get_param_importances(
            _study(board, distributions), evaluator=better_half
        )
        return dict(found)
    except (ValueError, RuntimeError):  # all values equal, or no spread to measure
        return {}


def _grid_importance(plan: SweepPlan, cells: list[Cell]) -> dict[str, float]:
    means = np.array([cell.mean for cell in cells], dtype=float)
    total = float(means.var())
    if total <= 0:
        return {}
    shares: dict[str, float] = {}
    for name in plan.names:
        levels = [repr(cell.values[name]) for cell in cells]
        marginal = {
            level: float(means[[one == level for one in levels]].mean()) for level in set(levels)
        }
        if len(marginal) > 1:
            shares[name] = float(np.var([marginal[level] for level in levels])) / total
    shares["interaction"] = max(0.0, 1 - sum(shares.values()))
    return shares


def _study(board: Board, distributions: dict[str, BaseDistribution]) -> optuna.Study:
    """The sweep so far as Optuna sees it."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for cell in board.cells:
        params = {name: cell.values[name] for name in distributions}
        # A control may lie outside what is searched; Optuna could not place it.
        if cell.runs and all(_holds(distributions[n], value) for n, value in params.items()):
            study.add_trial(_trial(cell, params, distributions))
    return study


def _holds(distribution: BaseDistribution, value: Any) -> bool:  # noqa: ANN401 - of any setting
    """Whether a distribution could have drawn a value."""
    from optuna.distributions import CategoricalDistribution

    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return bool(distribution._contains(distribution.to_internal_repr(value)))


def _trial(
    cell: Cell, params: Values, distributions: dict[str, BaseDistribution]
) -> optuna.trial.FrozenTrial:
    import optuna

    states = optuna.trial.TrialState
    given: dict[str, Any] = {"params": params, "distributions": distributions}
    if cell.mean is not None:
        given |= {"state": states.COMPLETE, "value": cell.mean}
    elif cell.dropped is not None:
        step, value = int(cell.dropped["step"]), float(cell.dropped["value"])
        given |= {"state": states.PRUNED, "intermediate_values": {step: value}}
    else:
        given |= {"state": states.FAIL if cell.state in ENDED else states.RUNNING}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.trial.create_trial(**given)


def _levels(board: Board, name: str) -> BaseDistribution:
    """The values of one setting among a grid's cells."""
    from optuna.distributions import CategoricalDistribution

    return CategoricalDistribution(tuple(dict.fromkeys(c.values[name] for c in board.cells)))


def _distribution(axis: Axis) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if axis.values:
        return CategoricalDistribution(axis.values)
    low, high = float(axis.low or 0), float(axis.high or 0)
    if axis.is_integer:
        return IntDistribution(round(low), round(high), log=axis.log)
    return FloatDistribution(low, high, log=axis.log)


def _rounded(axis: Axis, value: Any) -> Any:  # noqa: ANN401 - a value of any setting
    return value if axis.values else axis.rounded(float(value))
