"""What a sweep has found: its cells, how each stands, and with what certainty.

Nothing is kept beside the runs themselves: a board is read from the runs of the sweep, their
metrics, and the short list of cells that were stopped early.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from drpo import metrics
from drpo.stats.intervals import mean_over_seeds
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES, Run
from drpo.sweep.plan import AUTO, SweepPlan, Values, key_of, unique

State = Literal[
    "not run",
    "queued",
    "running",
    "paused",
    "done",
    "part",
    "stopped early",
    "failed",
    "interrupted",
    "stopped",
]
ENDED: tuple[State, ...] = ("failed", "interrupted", "stopped")
"""Its runs have ended without a result."""
FIRST_SAID: tuple[State, ...] = ("running", "paused", "queued", "part", *ENDED, "not run")
"""Of an unfinished cell whose seeds stand differently, the first of these is said."""
MANY = 100_000
Point = tuple[float, float]
"""An evaluation's value and its standard error."""
Curves = dict[str, dict[int, Point]]
"""Evaluations by run and step."""


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One run of a sweep, as far as the sweep cares."""

    id: str
    seed: int
    status: str
    curve: dict[int, Point]
    """The sweep's metric by step, with its standard error over prompts (nan when unknown)."""
    hours: float = 0.0
    name: str = ""

    @property
    def final(self) -> float | None:
        """The last value of a finished run; an unfinished one has none."""
        if self.status != "finished" or not self.curve:
            return None
        return self.curve[max(self.curve)][0]


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of settings with what its seeds say."""

    key: str
    values: Values
    is_control: bool
    runs: tuple[SweepRun, ...] = ()
    planned: int = 0
    """Seeds the plan wants."""
    dropped: dict[str, Any] | None = None
    """Step and figures when it was stopped early."""

    @property
    def finals(self) -> list[float]:
        """Final values of the finished runs, one a seed."""
        return [run.final for run in self.runs if run.final is not None]

    @property
    def n(self) -> int:
        """Seeds that finished."""
        return len(self.finals)

    @property
    def mean(self) -> float | None:
        """Mean over the seeds that finished; None where a run was cut for going badly.

        What is left after that would flatter the cell. Of one that was stopped between two of its
        seeds nothing was cut.
        """
        over = ("finished", "failed", "deleted")
        cut = self.dropped is not None and any(run.status not in over for run in self.runs)
        return None if cut or not self.finals else statistics.fmean(self.finals)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the mean over seeds (Student's t); None with fewer than two."""
        if self.mean is None:
            return None
        found = mean_over_seeds(self.finals)
        return None if found.low is None or found.high is None else (found.low, found.high)

    @property
    def state(self) -> State:
        """How the cell stands, in one word for the table."""
        if self.dropped is not None:
            return "stopped early"
        if self.n >= self.planned:
            return "done"
        found = {run.status for run in self.runs} | {"part" if self.n else "not run"}
        return next((state for state in FIRST_SAID if state in found), "not run")

    def missing_seeds(self, seeds: Sequence[int]) -> list[int]:
        """Planned seeds that nobody has tried."""
        tried = {run.seed for run in self.runs}
        return [seed for seed in seeds if seed not in tried]

    @property
    def settled_seeds(self) -> set[int]:
        """Seeds that are finished, queued or going on."""
        return {run.seed for run in self.runs if run.status in (*LIVE_STATUSES, "finished")}

    def at(self, step: int) -> list[Point]:
        """What each seed that has got to a step gave there; deleted runs say nothing."""
        kept = [run for run in self.runs if run.status != "deleted"]
        return [run.curve[step] for run in kept if step in run.curve]


@dataclass(frozen=True)
class Board:
    """A sweep as it stands."""

    id: str
    name: str
    status: str
    plan: SweepPlan
    cells: list[Cell]
    notes: Mapping[str, Any] = field(default_factory=dict)
    metric: str = metrics.EVAL_GOLD
    """What the cells are compared by."""

    @classmethod
    def read(cls, store: Store, sweep_id: str) -> Board:
        """Read a sweep's board from the store.

        Raises:
            ConfigError: Its plan does not fit this version.
            RunError: There is no such sweep.
        """
        sweep = store.sweeps.get(sweep_id)
        plan = SweepPlan.stored(sweep.plan)
        notes = store.documents.get("sweep", sweep_id) or {}
        runs = store.runs.all(sweep_id=sweep_id, archived=True, limit=MANY)
        runs += store.runs.all(sweep_id=sweep_id, archived=True, deleted=True, limit=MANY)
        curves = _curves(store, [run.id for run in runs], plan.metric)
        # True reward where the data know it: then every run's first evaluation has it.
        known = next((name for name in metrics.REWARDS if curves.get(name)), metrics.EVAL_SCORES)
        metric = known if plan.metric == AUTO else plan.metric
        cells = _cells(plan, runs, curves[metric], notes)
        return cls(sweep.id, sweep.name, sweep.status, plan, cells, notes, metric)

    @property
    def runs(self) -> list[SweepRun]:
        """All runs of the sweep."""
        return [run for cell in self.cells for run in cell.runs]

    @property
    def hours(self) -> float:
        """Running time so far, added up over runs."""
        return sum(run.hours for run in self.runs)

    @property
    def live(self) -> list[SweepRun]:
        """Runs in the queue, going on or paused."""
        return [run for run in self.runs if run.status in LIVE_STATUSES]

    @property
    def paused(self) -> list[SweepRun]:
        """Runs that wait for a person."""
        return [run for run in self.runs if run.status == "paused"]

    @property
    def only(self) -> Sequence[str]:
        """The cells that alone go on: queued while the sweep stood still. None where all do."""
        cells: Sequence[str] = self.notes.get("only", {}).get("cells", ())
        return cells

    @property
    def open_cells(self) -> list[Cell]:
        """The cells that the sweep may carry on with by itself."""
        return [
            cell
            for cell in self.cells
            if cell.dropped is None and (not self.only or cell.key in self.only)
        ]

    def best(self) -> Cell | None:
        """The cell with the highest mean."""
        known = [cell for cell in self.cells if cell.mean is not None]
        return max(known, key=lambda cell: cell.mean or 0.0) if known else None

    def control_of(self, cell: Cell) -> Cell | None:
        """The cell with the same settings and no resets, when there is one."""
        if not self.plan.has_control:
            return None
        key = key_of(self.plan.canonical({**cell.values, "reset_prob": 0.0}))
        return next((one for one in self.cells if one.key == key), None)

    def over_budget(self) -> bool:
        """Whether the plan allows no further run."""
        runs, hours = self.plan.budget_runs, self.plan.budget_hours
        return (runs is not None and len(self.runs) >= runs) or (
            hours is not None and self.hours >= hours
        )

    def rows(self) -> list[dict[str, Any]]:
        """The table: one row a cell, for a frame, a download or `--json`."""
        rows = []
        for cell in self.cells:
            low, high = cell.interval or (None, None)
            rows.append(
                {
                    **cell.values,
                    "cell": cell.key,
                    "state": cell.state,
                    "control": cell.is_control,
                    "seeds": cell.n,
                    "planned": cell.planned,
                    "mean": cell.mean,
                    "low": low,
                    "high": high,
                    "runs": [run.id for run in cell.runs],
                    "failed": sum(run.status == "failed" for run in cell.runs),
                }
            )
        return rows


def _cells(
    plan: SweepPlan, runs: Sequence[Run], curves: Curves, notes: Mapping[str, Any]
) -> list[Cell]:
    by_cell: dict[str, list[SweepRun]] = defaultdict(list)
    found: list[Values] = []
    for run in sorted(runs, key=lambda run: run.created_at):
        values = plan.cell_of(run.config)
        found.append(values)
        by_cell[key_of(values)].append(_sweep_run(run, curves.get(run.id, {})))
    dropped = notes.get("dropped", {})
    return [
        Cell(
            key=key_of(values),
            values=values,
            is_control=plan.is_control(values),
            runs=tuple(by_cell[key_of(values)]),
            planned=len(plan.seeds),
            dropped=dropped.get(key_of(values)),
        )
        for values in unique([*plan.known_cells(), *notes.get("proposed", ()), *found])
    ]


def _sweep_run(run: Run, curve: dict[int, Point]) -> SweepRun:
    return SweepRun(
        id=run.id,
        seed=run.config["run"]["seed"],
        status="deleted" if run.deleted_at is not None else run.status,
        curve=curve,
        hours=float(run.summary.get("wall_seconds", 0.0)) / 3600,
        name=run.name,
    )


def _curves(store: Store, run_ids: Sequence[str], metric: str) -> dict[str, Curves]:
    """The evaluations of all runs by metric, run and step."""
    wanted = metrics.REWARDS if metric == AUTO else (metric,)
    names = [*wanted, *map(metrics.error_of, wanted)]
    told: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for run_id, step, name, value in store.metrics.of_runs(run_ids, names):
        told[name, run_id][step] = value
    curves: dict[str, Curves] = {name: {} for name in wanted}
    for name in wanted:
        for run_id in run_ids:
            errors = told[metrics.error_of(name), run_id]
            points = {s: (v, errors.get(s, math.nan)) for s, v in told[name, run_id].items()}
            if points:
                curves[name][run_id] = points
    return curves
