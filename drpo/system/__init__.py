"""Processes, background jobs, and what a person may ask of a run."""
