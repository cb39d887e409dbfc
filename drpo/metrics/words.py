"""A metric in words, in the language spoken now: what it is called, its unit, what it means."""

from __future__ import annotations

from drpo.i18n import Language, has, t
from drpo.metrics.registry import of


def title(name: str) -> str:
    """What is measured, in words; a metric without a title keeps its name."""
    key = of(name).title
    return t(f"metrics.title_{key}") if key else name


def unit(name: str) -> str:
    """What the metric's numbers count; empty where they count nothing."""
    counted = of(name).unit
    return t(f"units.{counted.replace(' ', '_')}") if counted else ""


def heading(name: str) -> tuple[str, str]:
    """How one metric among all is called where one is chosen, with its unit.

    Only held-out metrics go by their titles: those of training episodes bear the same, and two of
    one title could not be told apart.
    """
    metric = of(name)
    return (
        (title(name), unit(name)) if metric.stage == "evaluation" and metric.title else (name, "")
    )


def meaning(name: str, lang: Language | None = None) -> str:
    """The metric's sentence of help, that of its companions too; nothing where it has none."""
    key = f"metrics.{of(name).base}"
    return t(key, lang=lang) if has(key) else ""
