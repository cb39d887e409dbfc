"""Sweeps: many runs from one plan, and what they say together. No torch."""

from drpo.sweep.creation import create
from drpo.sweep.engine import advance, advance_all, queue_cell, resume, stop
from drpo.sweep.plan import Axis, SweepPlan
from drpo.sweep.results import Board, Cell

__all__ = [
    "Axis",
    "Board",
    "Cell",
    "SweepPlan",
    "advance",
    "advance_all",
    "create",
    "queue_cell",
    "resume",
    "stop",
]
