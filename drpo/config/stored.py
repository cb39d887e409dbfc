"""Settings as an earlier version stored them, in the form that this version reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drpo.config.methods import NO_RESETS, UPDATING, resets

RETIRED: Mapping[str, str] = {
    "judge": "name a chat judge where runs are evaluated: `drpo eval RUN --judge URL`.",
    "judge_model": "name its model where runs are evaluated: `drpo eval RUN --judge-model NAME`.",
}
"""Settings that are no more, each with a sentence on what holds instead. Runs, sweeps and pilots
stored with them open as ever; whoever gives one anew is told the sentence."""


def current_form(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Return grouped settings without retired ones, and without resets where the method has none.

    Here alone it is settled that plain PPO has a reset probability of 0 which no schedule raises:
    every reader, of new and of stored runs, just reads `reset_prob`.

    Args:
        nested: `{group: {setting: value}}`; nothing about it needs to be valid.
    """
    config = {
        group: {leaf: value for leaf, value in leaves.items() if leaf not in RETIRED}
        if isinstance(leaves, Mapping)
        else leaves
        for group, leaves in nested.items()
    }
    run, reset = config.get("run"), config.get("reset")
    method = run.get("method") if isinstance(run, dict) else None
    if method in UPDATING and not resets(method) and isinstance(reset, dict):
        config["reset"] = {**reset, **NO_RESETS}
    return config
