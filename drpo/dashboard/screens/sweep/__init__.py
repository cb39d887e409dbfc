"""Sweep: many runs from one plan."""
