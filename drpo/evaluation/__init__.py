"""Held-out scores, win rates with intervals, judges and the reward-KL frontier.

Importing this package loads no torch: the statistics serve the dashboard too. Only `heldout` and
`evaluate` load models, and only a worker or the command line imports those.
"""
