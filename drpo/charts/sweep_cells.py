"""A sweep's cells in words, and the values that they have on an axis."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from drpo.i18n import t
from drpo.i18n.format import MINUS, number
from drpo.sweep import Cell


def setting_text(value: object) -> str:
    """A setting's value as axes and labels write it."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def state_text(cell: Cell) -> str:
    """How a cell stands."""
    return t(f"sweep.state_{cell.state.replace(' ', '_')}")


def cell_name(cell: Cell) -> str:
    """A cell's settings in short."""
    return ", ".join(f"{name} {setting_text(value)}" for name, value in cell.values.items())


def cell_text(cell: Cell | None, changed: Collection[str] = ()) -> str:
    """A cell in words: its mean with the interval and seeds, or why it has none."""
    if cell is None:
        return t("sweep.state_not_run")
    by_hand = [f"<i>{t('sweep.cell_changed')}</i>"] * any(run.id in changed for run in cell.runs)
    if cell.mean is None:
        return "<br>".join([state_text(cell), *by_hand])
    lines = [f"<b>{number(cell.mean)}</b>"]
    if cell.interval is not None:
        half = (cell.interval[1] - cell.interval[0]) / 2
        lines.append(f"± {number(half)}")
    lines.append(t("sweep.cell_seeds", n=cell.n))
    if cell.state != "done":
        lines.append(f"<i>{state_text(cell)}</i>")
    return "<br>".join([*lines, *by_hand]).replace("-", MINUS)


def levels(cells: Sequence[Cell], name: str) -> list[Any]:
    """The values that cells have on an axis, numbers in their order."""
    values = list(dict.fromkeys(cell.values[name] for cell in cells))
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return sorted(values) if numbers else values
