"""Alarms: when to ask a person to look at a run, with the evidence. Pure, no torch."""

from drpo.alarms.alarms import ALARMS, Alarm, Choice
from drpo.alarms.human_disagreement import people_disagree
from drpo.alarms.monitor import Monitor

__all__ = ["ALARMS", "Alarm", "Choice", "Monitor", "people_disagree"]
