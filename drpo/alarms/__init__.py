"""Alarms: when to ask a person to look at a run, with the evidence. Pure, no torch."""

from drpo.monitor.alarms import ALARMS, Alarm, Choice
from drpo.monitor.monitor import Monitor
from drpo.monitor.people import people_disagree

__all__ = ["ALARMS", "Alarm", "Choice", "Monitor", "people_disagree"]
